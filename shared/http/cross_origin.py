"""Which browser pages may call a service: those of our own host, and those on the allow-list."""

from collections.abc import Set
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from shared.errors import PermissionDeniedError
from shared.http.answers import answer_error

ANY_PAGE: Final = "*"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
READABLE_HEADERS: Final = (
    "x-request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "location",
    "idempotent-replayed",
    "x-storymill-stream-id",
    "x-storymill-model",
    "x-storymill-warning",
)
"""What of our answers' heads a page may see; the rest a browser keeps to itself."""
REMEMBERED_SECONDS: Final = 600


def is_allowed_origin(origin: str | None, host: str | None, allowed: Set[str]) -> bool:
    """Say whether a page may connect. Programs send no Origin and are let through: they need a key anyway.

    A page of the same host may, whatever its port: the console is served by the gateway beside us."""
    if origin is None or origin in allowed or ANY_PAGE in allowed:
        return True
    try:
        return urlsplit(origin).hostname is not None and urlsplit(origin).hostname == urlsplit(f"//{host}").hostname
    except ValueError:
        return False


def let_pages_in(app: ASGIApp, allowed: Set[str]) -> ASGIApp:
    """Return the application with cross-origin answers for the pages on the list, errors and preflights included; the
    application itself where the list is empty. No cookies: a page needs a key or a ticket."""
    return CrossOrigin(app, allowed) if allowed else app


class CrossOrigin(CORSMiddleware):
    """Starlette's, with a refusal that says what to do."""

    def __init__(self, app: ASGIApp, allowed: Set[str]) -> None:
        super().__init__(
            app,
            allow_origins=sorted(allowed),
            allow_methods=METHODS,
            allow_headers=[ANY_PAGE],
            expose_headers=READABLE_HEADERS,
            allow_private_network=True,
            max_age=REMEMBERED_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer whether a page may send what it is about to send."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        message = (
            f"Pages of {request_headers['origin']} may not send this request: allowed are those of "
            f"STORYMILL_ALLOWED_ORIGINS, and the methods {', '.join(METHODS)}."
        )
        return answer_error(PermissionDeniedError(message), {"vary": "Origin"})
