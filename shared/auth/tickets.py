"""Tickets: how a browser opens a WebSocket or an event stream without its key in a URL. A socket uses its ticket up; an
event stream binds it to itself, so that the browser's own reconnecting works."""

import hashlib
import secrets
from typing import Final, Literal

import orjson
from redis.asyncio import Redis

from shared.auth.principal import Principal
from shared.errors import AuthenticationError

TICKET_SECONDS: Final = 30
"""A ticket is good for one use within this time."""
LINK_SECONDS: Final = 300
"""A link to the console is good for one login within this time."""
TICKET_PREFIX: Final = "tick_"
Purpose = Literal["streaming", "login"]
STREAMING: Final = "streaming"
LOGIN: Final = "login"
"""A ticket opens what it was made for and nothing else: one that stands in a URL gives no session."""
WHERE_TO_GET: Final[dict[Purpose, str]] = {STREAMING: "from POST /v1/tickets", LOGIN: "with `storymill console`"}
BOUND_SECONDS: Final = 86_400
"""How long a ticket that opened a stream is kept for it, at most: no stream lasts longer."""
RESUMED_SECONDS: Final = 60.0
"""How long after its stream's end a bound ticket is still good."""
BIND: Final = """
local value = redis.call('getdel', KEYS[1])
if not value then return {redis.call('get', KEYS[2]), 0} end
redis.call('set', KEYS[2], value, 'ex', ARGV[1])
return {value, 1}
"""
"""In one step: two tabs that come back at once both find it."""


async def issue_ticket(
    redis: Redis, principal: Principal, *, seconds: int = TICKET_SECONDS, purpose: Purpose = STREAMING
) -> str:
    """Return a fresh ticket that stands for `principal` once, for at most `seconds` (1 … 30; of a login 1 … 300)."""
    ticket = TICKET_PREFIX + secrets.token_urlsafe(24)
    value = orjson.dumps([principal.project_id, principal.api_key_id, sorted(principal.scopes), principal.session_id])
    longest = TICKET_SECONDS if purpose == STREAMING else LINK_SECONDS
    await redis.set(_key_of(ticket, purpose), value, ex=max(1, min(seconds, longest)))
    return ticket


async def redeem_ticket(redis: Redis, ticket: str, *, purpose: Purpose = STREAMING) -> Principal:
    """Use up a ticket and return whom it stands for. Raises: AuthenticationError when unknown, used or too old."""
    return _read_principal(await redis.getdel(_key_of(ticket, purpose)), purpose)


async def bind_ticket(redis: Redis, ticket: str, stream_id: str) -> tuple[Principal, bool]:
    """Bind a fresh ticket to a stream, or find it bound to that; return whom it stands for, and whether it was fresh.
    Raises: AuthenticationError when unknown, used for something else, or too old."""
    key = _key_of(ticket, STREAMING)
    bound = f"{key}:{hashlib.sha256(stream_id.encode('utf-8', 'surrogatepass')).hexdigest()}"
    value, is_fresh = await redis.eval(BIND, 2, key, bound, str(BOUND_SECONDS))
    return _read_principal(value), bool(is_fresh)


def ticket_refused(purpose: Purpose = STREAMING) -> AuthenticationError:
    """Return the error of a ticket that opens nothing."""
    return AuthenticationError(f"The ticket is unknown, used or too old. Get a new one {WHERE_TO_GET[purpose]}.")


def _read_principal(value: bytes | str | None, purpose: Purpose = STREAMING) -> Principal:
    if value is None:
        raise ticket_refused(purpose)
    project_id, api_key_id, scopes, *session_id = orjson.loads(value)  # a release before says nothing of sessions
    return Principal(project_id, api_key_id, frozenset(scopes), *session_id)


def _key_of(ticket: str, purpose: Purpose) -> str:
    """Return the Redis key; the ticket itself stands nowhere."""
    return f"sm:ticket:{purpose}:" + hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
