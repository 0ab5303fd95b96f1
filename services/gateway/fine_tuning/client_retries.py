"""A job that the official client posts again, since the first answer did not reach it, is the first job.

The client sends no Idempotency-Key, but counts its retries in a header. So each post leaves its body's hash for a
minute; a retry looks for it. Whichever of the two makes the job first binds the hash to it, and the other joins."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from services.gateway.http.idempotency import hash_request
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.stores.db.repositories import idempotency

RETRY_HEADER: Final = "x-stainless-retry-count"
KEY_PREFIX: Final = "sdk-retry:"


@dataclass(frozen=True, slots=True)
class ClientPost:
    """A post of the official client."""

    project_id: str
    key: str
    is_retry: bool
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    """Tells this post from another of the same body."""

    async def find_first(self, session: AsyncSession) -> str | None:
        """Return the job that another post of the same request has made; from here on others wait for our commit."""
        row = await idempotency.lock_young_key(session, self.project_id, self.key)
        if row is None or row.subject_id is None:
            return None
        return row.subject_id if self.is_retry or row.request_hash == self.mark else None

    async def bind(self, session: AsyncSession, job_id: str) -> None:
        """Say which job this request has made, in the transaction that makes it. A retry leaves the first post's mark,
        so that the first joins when it is the slower one."""
        await idempotency.put_key(session, self.project_id, self.key, self.mark, job_id, keep_hash=self.is_retry)


async def open_client_post(gateway: Gateway, caller: Principal, request: Request) -> ClientPost | None:
    """Return the hold of a post on its body; None for clients that do not count, or that send a key of their own."""
    count = request.headers.get(RETRY_HEADER, "")
    if not count.isdecimal() or "idempotency-key" in request.headers:
        return None
    post = ClientPost(caller.project_id, KEY_PREFIX + await hash_request(request), int(count) > 0)
    if not post.is_retry:
        async with gateway.database.transaction() as session:
            await idempotency.put_key(session, post.project_id, post.key, post.mark, None)
    return post
