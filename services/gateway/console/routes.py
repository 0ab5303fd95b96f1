"""`/console…`: the pages, and the session of the browser that looks at them; `POST /v1/console_links`."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.gateway.console.access import check_key, require_own_page
from services.gateway.console.cookies import clear_token, read_token, require_safe_address, set_token
from services.gateway.console.pages import answer_page, find_streaming_url
from services.gateway.console.schemas import ConsoleLink, LoginRequest, Session
from services.gateway.console.sessions import OLDEST, OpenSession
from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import NEEDS_READ, keyed_router
from services.gateway.wiring import Gateway
from shared.auth.tickets import LINK_SECONDS, LOGIN, issue_ticket, redeem_ticket
from shared.clock import unix_seconds
from shared.errors import AuthenticationError
from shared.http.answers import JsonAnswer

router = APIRouter(prefix="/console", tags=["console"])
links = keyed_router("console")


@links.post(
    "/console_links",
    summary="Get a link that logs a browser in",
    status_code=201,
    response_model=ConsoleLink,
    openapi_extra=NEEDS_READ,
)
async def create_link(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a link, good once, to the console with this key's rights. The ticket stands behind the `#`, which
    browsers send to nobody."""
    ticket = await issue_ticket(gateway.redis, caller, seconds=LINK_SECONDS, purpose=LOGIN)
    body = {"object": "console.link", "url": f"/console/#ticket={ticket}", "expires_in": LINK_SECONDS}
    return JsonAnswer(body, 201, {"cache-control": "no-store"})


@router.post("/session", summary="Log a browser in", status_code=201, response_model=Session)
async def log_in(body: LoginRequest, request: Request, gateway: GatewayDep) -> JsonAnswer:
    """Open a session with a key or with the ticket of a link, and set its cookie."""
    require_safe_address(request)
    require_own_page(request)
    if body.ticket is not None:
        caller = await redeem_ticket(gateway.redis, body.ticket, purpose=LOGIN)
    else:
        caller = await check_key(gateway, request, f"Bearer {body.key}")
    token, opened = await gateway.sessions.open(caller)
    answer = JsonAnswer(shape_session(request, gateway, opened), 201, {"cache-control": "no-store"})
    set_token(request, answer, token, int(OLDEST.total_seconds()))
    return answer


@router.get("/session", summary="Who is logged in", response_model=Session)
async def read_session(request: Request, gateway: GatewayDep) -> JsonAnswer:
    """Return the browser's session; 401 when it has none, or it is over."""
    token = read_token(request)
    if token is None:
        raise AuthenticationError("Nobody is logged in.", code="no_session")
    require_own_page(request)
    opened = await gateway.sessions.authenticate(token)
    return JsonAnswer(shape_session(request, gateway, opened), headers={"cache-control": "no-store"})


@router.delete("/session", summary="Log a browser out", status_code=204)
async def log_out(request: Request, gateway: GatewayDep) -> Response:
    """End the session for good and take its cookie."""
    require_own_page(request)
    token = read_token(request)
    if token is not None:
        await gateway.sessions.end(token)
    answer = Response(status_code=204)
    clear_token(request, answer)
    return answer


@router.get("", include_in_schema=False)
async def redirect_home() -> Response:
    """Lead to the pages, whose files have relative names."""
    return RedirectResponse("/console/")


@router.get("/{path:path}", include_in_schema=False)
async def read_page(path: str, request: Request, gateway: GatewayDep) -> Response:
    """Serve the console."""
    return answer_page(request, path, find_streaming_url(request, gateway.settings.streaming_url))


def shape_session(request: Request, gateway: Gateway, opened: OpenSession) -> dict[str, Any]:
    """Return the session object."""
    return {
        "object": "console.session",
        "id": opened.row.id,
        "project_id": opened.row.project_id,
        "key": {"id": opened.key.id, "name": opened.key.name, "prefix": opened.key.prefix},
        "scopes": sorted(opened.key.scopes),
        "streaming_url": find_streaming_url(request, gateway.settings.streaming_url),
        "version": version("storymill"),
        "created_at": unix_seconds(opened.row.created_at),
        "expires_at": unix_seconds(opened.row.expires_at),
    }
