"""Which browser pages may connect: those of our own host, and those on the allow-list."""

from collections.abc import Set
from urllib.parse import urlsplit


def is_allowed_origin(origin: str | None, host: str | None, allowed: Set[str]) -> bool:
    """Say whether a page may connect. Programs send no Origin and are let through: they need a key anyway.

    A page of the same host may, whatever its port: the console is served by the gateway beside us."""
    if origin is None or origin in allowed:
        return True
    try:
        return urlsplit(origin).hostname is not None and urlsplit(origin).hostname == urlsplit(f"//{host}").hostname
    except ValueError:
        return False
