"""Single-use tickets: how a browser opens a WebSocket or an event stream without its key in a URL."""

import hashlib
import secrets
from typing import Final

import orjson
from redis.asyncio import Redis

from shared.auth.principal import Principal
from shared.errors import AuthenticationError

TICKET_SECONDS: Final = 30
"""A ticket is good for one use within this time."""
TICKET_PREFIX: Final = "tick_"


async def issue_ticket(redis: Redis, principal: Principal, *, seconds: int = TICKET_SECONDS) -> str:
    """Return a fresh ticket that stands for `principal` once, for at most `seconds` (1 … 30)."""
    ticket = TICKET_PREFIX + secrets.token_urlsafe(24)
    value = orjson.dumps([principal.project_id, principal.api_key_id, sorted(principal.scopes)])
    await redis.set(_key_of(ticket), value, ex=max(1, min(seconds, TICKET_SECONDS)))
    return ticket


async def redeem_ticket(redis: Redis, ticket: str) -> Principal:
    """Use up a ticket and return whom it stands for. Raises: AuthenticationError when unknown, used or too old."""
    value = await redis.getdel(_key_of(ticket))
    if value is None:
        raise AuthenticationError("The ticket is unknown, used or too old. Get a new one from POST /v1/tickets.")
    project_id, api_key_id, scopes = orjson.loads(value)
    return Principal(project_id, api_key_id, frozenset(scopes))


def _key_of(ticket: str) -> str:
    """Return the Redis key; the ticket itself stands nowhere."""
    return "sm:ticket:" + hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
