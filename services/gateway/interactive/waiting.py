"""Answer when every text of a request is there: the unstreamed form of both completion routes."""

import asyncio
from collections.abc import Callable, Sequence

from fastapi import Request
from starlette.responses import Response

from services.gateway.http.dependencies import get_principal
from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.failures import failed_row_answer
from services.gateway.interactive.follow import wait_for_ends
from services.gateway.interactive.texts import OpenTexts, cancel_texts, read_rows
from services.gateway.wiring import Gateway
from shared.auth.key_watch import REVOKED_OR_OVER
from shared.errors import AuthenticationError, DeadlineError
from shared.http.answers import Json, JsonAnswer
from shared.http.event_answer import Leave, wait_for_leave
from shared.observability.http import CLIENT_GONE
from shared.stores.db.models import Completion


async def answer_when_done(
    gateway: Gateway,
    request: Request,
    claim: KeyClaim,
    texts: OpenTexts,
    shape: Callable[[OpenTexts, Sequence[Completion]], Json],
) -> Response:
    """Wait for all texts, then answer with `shape` of their rows, or with the first failure. Raises: as
    `wait_for_rows`."""
    rows = await wait_for_rows(gateway, request, claim, texts)
    return rows if isinstance(rows, Response) else JsonAnswer(shape(texts, rows), headers=texts.headers)


async def wait_for_rows(
    gateway: Gateway, request: Request, claim: KeyClaim, texts: OpenTexts
) -> Sequence[Completion] | Response:
    """Return the rows of texts that all came to something, or the answer where one did not, or nobody waits. Raises:
    DeadlineError when they take longer than the setting allows; without a key they are cancelled then."""
    done = asyncio.create_task(wait_for_ends(gateway.hub, texts.stream_ids))
    leaving = asyncio.create_task(wait_for_leave(request.receive, gateway.hold(get_principal(request))))
    try:
        await asyncio.wait(
            {done, leaving}, timeout=gateway.settings.answer_timeout_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if not done.done():
            await leave_texts(gateway, claim, texts)
            if leaving.done():
                return answer_leave(leaving.result())
            raise DeadlineError(
                f"The text was not finished within {gateway.settings.answer_timeout_seconds:g} s. "
                "Stream it, ask for less, or give an Idempotency-Key and come back for it."
            )
        done.result()
    finally:
        done.cancel()
        leaving.cancel()
    rows = await read_rows(gateway, texts.request_id)
    failed = next((row for row in rows if row.status != "succeeded"), None)
    return failed_row_answer(failed) if failed is not None else rows


def answer_leave(leave: Leave) -> Response:
    """Return what is noted of a request that nobody waits for. Raises: AuthenticationError when its key was revoked."""
    if leave is Leave.KEY_REVOKED:
        raise AuthenticationError(REVOKED_OR_OVER)
    return Response(status_code=CLIENT_GONE)


async def leave_texts(gateway: Gateway, claim: KeyClaim, texts: OpenTexts) -> None:
    """Cancel texts that nobody waits for any more; who gave an Idempotency-Key will be back for them."""
    if claim.key is None:
        await cancel_texts(gateway, claim.project_id, texts.stream_ids)
