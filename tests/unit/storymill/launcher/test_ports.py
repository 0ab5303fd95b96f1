"""Ports: free, taken, and by whom."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from storymill.launcher.errors import PortTakenError
from storymill.launcher.ports import claim_port, find_free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_its_holder_and_the_option_to_pass(taken_port: int) -> None:
    with pytest.raises(PortTakenError) as caught:
        claim_port(taken_port, "--gateway-port")
    message = str(caught.value)
    assert f"Port {taken_port} is taken by process {os.getpid()}" in message
    assert "--gateway-port" in message


def test_a_free_port_is_taken_as_it_is_and_zero_takes_another() -> None:
    port = find_free_port()
    assert claim_port(port, "--gateway-port") == port
    assert claim_port(0, "--gateway-port") > 0


def test_free_ports_are_none_that_the_kernel_gives_away_and_no_two_are_equal() -> None:
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [find_free_port() for _ in range(300)]
    assert max(ports) < first_of_kernel
    assert len(set(ports)) == 300
