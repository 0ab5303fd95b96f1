"""Whose request it is, behind proxies."""

import pytest

from shared.http.door.proxies import TrustedProxies

OURS = TrustedProxies("10.0.0.0/8, ::1")


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("203.0.113.5", ["6.6.6.6"], "203.0.113.5"),  # no proxy of ours: what it says counts for nothing
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        ("::1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "unknown"),
        ("", ["203.0.113.7"], "203.0.113.7"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(peer: str, said: list[str], client: str) -> None:
    headers = [(b"X-Forwarded-For", value.encode()) for value in said]
    assert OURS.find_client(peer, headers) == client
