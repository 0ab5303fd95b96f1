"""Who may see what: credentials into principals, streams of one's own project only."""

from starlette.types import Scope

from services.streaming.wiring import Streaming
from shared.auth.principal import READ, Principal
from shared.auth.tickets import redeem_ticket
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


async def get_stored_text(streaming: Streaming, principal: Principal, stream_id: str) -> StoredText:
    """Return what is stored of a stream. Raises: NotFoundError, also for another project's stream."""
    row = await streaming.load_row(stream_id) if not holds_nul(stream_id) else None
    if row is None or row.project_id != principal.project_id:
        raise NotFoundError(f"No stream '{stream_id[:80]}'.", param="stream")
    return row
