"""Which pages may open a socket."""

import pytest

from shared.http.cross_origin import is_allowed_origin


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        (None, "mill.example", True),
        ("https://mill.example", "mill.example:8001", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", True),
        ("https://app.example", "mill.example", True),
        ("https://evil.example", "mill.example", False),
        ("https://mill.example.evil.example", "mill.example", False),
        ("null", "mill.example", False),
        ("https://[", "mill.example", False),
        ("https://evil.example", None, False),
    ],
)
def test_pages_of_our_host_and_of_the_list_may_connect(origin: str | None, host: str | None, is_allowed: bool) -> None:
    assert is_allowed_origin(origin, host, {"https://app.example"}) is is_allowed
