"""Who may see what: credentials into principals, streams of one's own project only."""

from starlette.types import Scope

from services.streaming.wiring import Streaming
from shared.auth.principal import READ, Principal
from shared.auth.tickets import RESUMED_SECONDS, bind_ticket, redeem_ticket, ticket_refused
from shared.clock import utc_now
from shared.contracts.storable import holds_nul
from shared.contracts.stream.stored_text import StoredText
from shared.errors import NotFoundError
from shared.http.open_door import find_counted_address


async def identify(streaming: Streaming, scope: Scope, authorization: str | None, ticket: str | None) -> Principal:
    """Return who is behind a header, or behind a ticket when there is no header.

    Raises: AuthenticationError for a key or ticket that is none, or a ticket whose key was revoked since;
    PermissionDeniedError when the key may not read."""
    if authorization is None and ticket is not None:
        principal = await redeem_ticket(streaming.hub.redis, ticket)
        await streaming.keys.require_active(principal)
    else:
        principal = await streaming.authenticator.authenticate(
            authorization, find_counted_address(streaming.proxies, scope)
        )
    principal.require(READ)
    return principal


async def identify_viewer(
    streaming: Streaming, scope: Scope, authorization: str | None, ticket: str | None, stream_id: str
) -> tuple[Principal, StoredText]:
    """Return who wants to watch a stream, and what is stored of it. A ticket that opened this stream opens it again,
    until a minute after its end: an event source comes back with the same address.

    Raises: as `identify` and `get_stored_text`."""
    if authorization is not None or ticket is None:
        principal = await identify(streaming, scope, authorization, None)
        return principal, await get_stored_text(streaming, principal, stream_id)
    principal, is_fresh = await bind_ticket(streaming.hub.redis, ticket, stream_id)
    principal.require(READ)
    await streaming.keys.require_active(principal)
    stored = await get_stored_text(streaming, principal, stream_id)
    over_at = stored.finished_at
    if not is_fresh and over_at is not None and (utc_now() - over_at).total_seconds() > RESUMED_SECONDS:
        raise ticket_refused()
    return principal, stored


async def get_stored_text(streaming: Streaming, principal: Principal, stream_id: str) -> StoredText:
    """Return what is stored of a stream. Raises: NotFoundError, also for another project's stream."""
    row = await streaming.load_row(stream_id) if not holds_nul(stream_id) else None
    if row is None or row.project_id != principal.project_id:
        raise NotFoundError(f"No stream '{stream_id[:80]}'.", param="stream")
    return row
