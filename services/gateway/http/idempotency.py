"""`Idempotency-Key` on any POST: the same request twice is one piece of work and one answer.

A key is claimed first; what the request makes is bound to it in the transaction that makes it, so that a retry joins
that even when the first gateway died; a good answer is kept. An error frees the key for another try."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from shared.auth.principal import Principal
from shared.errors import DeadlineError, InvalidRequestError, RateLimitedError
from shared.observability.http import CLIENT_GONE
from shared.stores.db.models import IdempotencyKey
from shared.stores.db.repositories import idempotency
from shared.stores.db.session import Database

LONGEST_KEY: Final = 255
KEPT_HEADERS: Final = (
    "content-type",
    "location",
    "x-storymill-stream-id",
    "x-storymill-model",
    "x-storymill-warning",
)
REPLAYED_HEADER: Final = "idempotent-replayed"


@dataclass(slots=True)
class KeyClaim:
    """A request's hold on its key; on a request without one it does nothing."""

    database: Database
    project_id: str
    key: str | None
    subject_id: str | None = None
    """What an earlier request with this key has made, to be joined instead of making it again."""

    async def bind(self, session: AsyncSession, subject_id: str) -> None:
        """Say what this request makes, in the same transaction."""
        if self.key is not None:
            await idempotency.bind_key(session, self.project_id, self.key, subject_id)

    async def release(self) -> None:
        """Free the key: the work came to nothing and may be tried again."""
        if self.key is not None:
            async with self.database.transaction() as session:
                await idempotency.release_key(session, self.project_id, self.key)

    async def keep(self, response: Response) -> None:
        """Keep an answer for whoever asks again."""
        assert self.key is not None
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        async with self.database.transaction() as session:
            await idempotency.store_answer(
                session,
                self.project_id,
                self.key,
                status_code=response.status_code,
                headers=headers,
                body=bytes(response.body).decode(),
            )


async def answer_once(claim: KeyClaim, request_hash: str, handle: Callable[[], Awaitable[Response]]) -> Response:
    """Run `handle` for the first request with a key; replay or join its outcome for later ones.

    Raises: InvalidRequestError for a key used with another request, RateLimitedError while the first is under way.
    """
    earlier = await take_key(claim, request_hash)
    if earlier is not None:
        if earlier.request_hash != request_hash:
            raise InvalidRequestError(
                "This Idempotency-Key was used with another request. Use a new key for a new request.",
                param="Idempotency-Key",
                code="idempotency_key_reused",
            )
        if earlier.status_code is not None:
            return replay(earlier)
        if earlier.subject_id is None:
            raise RateLimitedError("A request with this Idempotency-Key is under way.", code="request_in_progress")
        claim.subject_id = earlier.subject_id
    try:
        response = await handle()
    except DeadlineError:
        raise  # the work goes on: whoever comes back with the key joins it
    except Exception:
        await claim.release()
        raise
    await settle(claim, response)
    return response


async def take_key(claim: KeyClaim, request_hash: str) -> IdempotencyKey | None:
    """Claim the key; None when it is ours now, else what is known of it."""
    assert claim.key is not None
    async with claim.database.transaction() as session:
        if await idempotency.claim_key(session, claim.project_id, claim.key, request_hash):
            return None
        return await idempotency.find_key(session, claim.project_id, claim.key)


async def settle(claim: KeyClaim, response: Response) -> None:
    """Keep a good answer, free the key after a bad one. A stream settles its own claim when it ends;
    a client that left will be back for its work."""
    if not hasattr(response, "body") or response.status_code == CLIENT_GONE:
        return
    if response.status_code >= 300 or "no-store" in response.headers.get("cache-control", ""):
        await claim.release()
    else:
        await claim.keep(response)


def replay(earlier: IdempotencyKey) -> Response:
    """Return the kept answer, marked as such."""
    assert earlier.status_code is not None
    headers = {**(earlier.headers or {}), REPLAYED_HEADER: "true"}
    return Response((earlier.body or "").encode(), earlier.status_code, headers)


async def hash_request(request: Request) -> str:
    """Return the hash that says "the same request": method, path, query and body."""
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(head + await request.body()).hexdigest()


def hash_head(request: Request) -> str:
    """Return the hash of an upload, whose body passes through: method, path and length."""
    head = f"{request.method} {request.url.path}?{request.url.query} {request.headers.get('content-length', '')}\n"
    return hashlib.sha256(head.encode()).hexdigest()


def open_claim(database: Database, principal: Principal, request: Request) -> KeyClaim:
    """Return the claim of a request. Raises: InvalidRequestError for a key that cannot be one."""
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise InvalidRequestError(
            f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.", param="Idempotency-Key"
        )
    return KeyClaim(database, principal.project_id, key)
