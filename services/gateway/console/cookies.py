"""The cookie that holds a browser's session: its name and flags, and where none may be set."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from shared.errors import InvalidRequestError
from shared.outside.network.proxies import is_loopback

SECURE_NAME: Final = "__Host-storymill_session"
LOOPBACK_NAME: Final = "storymill_session_{port}"
"""Browsers share the cookies of a host among its ports: two mills on one machine must not log each other out."""
NEEDS_TLS: Final = (
    "Logging in needs TLS: over plain http anybody on the way could take the session. Open the console at "
    "http://127.0.0.1 on the mill's own machine (or through `ssh -L`), or put a proxy with a "
    "certificate in front of it."
)


def is_secure(request: Request) -> bool:
    """Say whether the request came over TLS, as far as the proxies that we trust tell."""
    return request.url.scheme == "https"


def name_cookie(request: Request) -> str:
    """Return the session cookie's name on the address that was asked."""
    return SECURE_NAME if is_secure(request) else LOOPBACK_NAME.format(port=request.url.port or 80)


def read_token(request: Request) -> str | None:
    """Return the session token that the browser sent."""
    return request.cookies.get(name_cookie(request)) or None


def require_safe_address(request: Request) -> None:
    """Pass over TLS and on loopback. Raises: InvalidRequestError (`console_needs_tls`) elsewhere."""
    if not (is_secure(request) or is_loopback(request.url.hostname or "")):
        raise InvalidRequestError(NEEDS_TLS, code="console_needs_tls")


def set_token(request: Request, response: Response, token: str, seconds: int) -> None:
    """Give the browser its session for so many seconds."""
    response.set_cookie(
        name_cookie(request),
        token,
        max_age=seconds,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
    )


def clear_token(request: Request, response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(name_cookie(request), path="/", secure=is_secure(request), httponly=True, samesite="strict")
