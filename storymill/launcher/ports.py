"""Ports of this machine: find a free one, and say who holds a taken one."""

import secrets
import socket
from itertools import count

import psutil

from storymill.launcher.errors import PortTakenError

LOOPBACK = "127.0.0.1"
LOWEST_PORT, HIGHEST_PORT = 20_000, 30_000
"""Below the kernel's own (32768 and above on Linux) and Kubernetes' node ports."""
PORT_TRIES = 100
_offsets = count(secrets.randbelow(HIGHEST_PORT - LOWEST_PORT))
"""One port after the other from a chance beginning: no two of a process are equal, and hardly two of several."""


def find_free_port(host: str = LOOPBACK) -> int:
    """Return a port that was free a moment ago. The caller binds it later, after seconds of starting maybe: it is none
    of those that the kernel gives to whoever asks for any."""
    for _ in range(PORT_TRIES):
        port = LOWEST_PORT + next(_offsets) % (HIGHEST_PORT - LOWEST_PORT)
        if is_port_free(port, host):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        any_port: int = probe.getsockname()[1]
        return any_port


def is_port_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could bind the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def find_port_holder(port: int) -> psutil.Process | None:
    """Return the process that listens on the port, if we are allowed to see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return psutil.Process(connection.pid)
            except psutil.Error:
                return None
    return None


def claim_port(port: int, option: str) -> int:
    """Return the port if it can be bound, or a free one for 0.

    Raises: PortTakenError that names the holder and the option to pass instead.
    """
    if port == 0:
        return find_free_port()
    if not is_port_free(port):
        raise PortTakenError(
            f"Port {port} is taken{describe_holder(port)}. "
            f"Stop it, or pass {option} with another port (0 takes a free one)."
        )
    return port


def describe_holder(port: int) -> str:
    """Say who holds the port, or nothing if we may not know."""
    holder = find_port_holder(port)
    if holder is None:
        return ""
    try:
        return f" by process {holder.pid} ({' '.join(holder.cmdline())[:100] or holder.name()})"
    except psutil.Error:
        return f" by process {holder.pid}"
