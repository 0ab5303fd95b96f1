"""Single-use tickets: how a browser opens a WebSocket or an event stream without its key in a URL."""

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


async def issue_ticket(
    redis: Redis, principal: Principal, *, seconds: int = TICKET_SECONDS, purpose: Purpose = STREAMING
) -> str:
    """Return a fresh ticket that stands for `principal` once, for at most `seconds` (1 … 30; of a login 1 … 300)."""
    ticket = TICKET_PREFIX + secrets.token_urlsafe(24)
    value = orjson.dumps([principal.project_id, principal.api_key_id, sorted(principal.scopes)])
    longest = TICKET_SECONDS if purpose == STREAMING else LINK_SECONDS
    await redis.set(_key_of(ticket, purpose), value, ex=max(1, min(seconds, longest)))
    return ticket


async def redeem_ticket(redis: Redis, ticket: str, *, purpose: Purpose = STREAMING) -> Principal:
    """Use up a ticket and return whom it stands for. Raises: AuthenticationError when unknown, used or too old."""
    value = await redis.getdel(_key_of(ticket, purpose))
    if value is None:
        raise AuthenticationError(f"The ticket is unknown, used or too old. Get a new one {WHERE_TO_GET[purpose]}.")
    project_id, api_key_id, scopes = orjson.loads(value)
    return Principal(project_id, api_key_id, frozenset(scopes))


def _key_of(ticket: str, purpose: Purpose) -> str:
    """Return the Redis key; the ticket itself stands nowhere."""
    return f"sm:ticket:{purpose}:" + hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
