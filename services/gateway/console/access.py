"""Who sends a request: a client with its key, or a browser with its session."""

from typing import Final

from starlette.requests import Request

from services.gateway.console.cookies import read_token
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import PermissionDeniedError
from shared.http.open_door import find_counted_address

CONSOLE_HEADER: Final = "x-storymill-console"
"""No form and no link of another page can send a header of its own."""
READING_METHODS: Final = frozenset({"GET", "HEAD"})


async def identify(gateway: Gateway, request: Request) -> Principal:
    """Return who asks. A key goes before a session.

    Raises: AuthenticationError for neither, or one that holds no longer; PermissionDeniedError where another page has
    the browser send its session."""
    authorization = request.headers.get("authorization")
    token = read_token(request) if authorization is None else None
    if token is None:
        return await check_key(gateway, request, authorization)
    require_own_page(request)
    return (await gateway.sessions.authenticate(token)).principal


async def check_key(gateway: Gateway, request: Request, authorization: str | None) -> Principal:
    """Return who is behind a key. Raises: AuthenticationError for one that is none; RateLimitedError after too many
    such from one address."""
    return await gateway.authenticator.authenticate(authorization, find_counted_address(gateway.proxies, request.scope))


def require_own_page(request: Request) -> None:
    """Pass what the console's own pages send. Raises: PermissionDeniedError (`cross_site_request`) for the rest."""
    site = request.headers.get("sec-fetch-site")
    if request.method in READING_METHODS:
        is_ours = site in {None, "same-origin", "none"}
    else:
        is_ours = CONSOLE_HEADER in request.headers and (
            site == "same-origin" or (site is None and request.headers.get("origin") == origin_of(request))
        )
    if not is_ours:
        raise PermissionDeniedError(
            "A session only serves the console's own pages. Use an API key from elsewhere.", code="cross_site_request"
        )


def origin_of(request: Request) -> str:
    """Return the origin that was asked, as browsers write it."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
