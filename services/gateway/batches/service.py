"""Order, find and cancel batches."""

import re
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.batches.schemas import BatchOrder
from services.gateway.http.idempotency import KeyClaim
from services.gateway.limits.quotas import require_quota
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.clock import unix_seconds
from shared.contracts.batches import COMPLETION_WINDOW, ENDPOINT_KINDS, PURPOSE
from shared.contracts.queue.messages import RunBatch
from shared.contracts.statuses import BATCH
from shared.errors import ConflictError, InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Batch, Generation
from shared.stores.db.repositories import batches, files
from shared.stores.db.repositories.batches import NewBatch, ShownBatch
from shared.stores.db.repositories.pages import Page

WHY_NOT: Final = {
    "/v1/embeddings": "Embeddings are not batched: POST /v1/embeddings takes many texts at once.",
    "/v1/responses": "Responses are not batched here: send the same input as messages to /v1/chat/completions.",
}
"""What OpenAI batches and this server does not."""
STATUS_HEADER: Final = "x-storymill-status-reason"
UNPRINTED: Final = re.compile(r"[\x00-\x20\x7f]+")
"""What of a text no header holds, and blanks."""


async def order_batch(gateway: Gateway, caller: Principal, claim: KeyClaim, order: BatchOrder) -> ShownBatch:
    """Record a batch and send it to the workers, who check its file first. Raises: InvalidRequestError for what no
    batch can be, NotFoundError without the file, RateLimitedError for one open batch too many."""
    require_sense(order)
    async with gateway.database.transaction() as session:
        await require_quota(session, gateway, caller, max_open_batches=1)
        await require_file(session, gateway, caller, order.input_file_id)
        new = NewBatch(
            caller.project_id, caller.api_key_id, order.endpoint, order.input_file_id, order.metadata or None
        )
        batch_id = await batches.add_batch(session, new)
        await claim.bind(session, batch_id)
    await gateway.sender.send(RunBatch(batch_id))
    return await get_batch(gateway, caller, batch_id)


def require_sense(order: BatchOrder) -> None:
    """Pass when such a batch can be made. Raises: InvalidRequestError that says what can."""
    if order.endpoint not in ENDPOINT_KINDS:
        why = WHY_NOT.get(order.endpoint, "There is no such endpoint to batch.")
        message = f"endpoint: {why} Batches go to {' and '.join(ENDPOINT_KINDS)}."
        raise InvalidRequestError(message, param="endpoint", code="unsupported_endpoint")
    if order.completion_window != COMPLETION_WINDOW:
        message = f'completion_window: "{COMPLETION_WINDOW}" is the only one.'
        raise InvalidRequestError(message, param="completion_window", code="invalid_completion_window")
    if order.output_expires_after is not None:
        message = "output_expires_after: files are kept here until they are deleted; leave it out."
        raise InvalidRequestError(message, param="output_expires_after", code="unsupported_parameter")


async def require_file(session: AsyncSession, gateway: Gateway, caller: Principal, file_id: str) -> None:
    """Pass when a file may hold a batch's requests; nobody deletes it before the batch is recorded. Raises:
    NotFoundError, InvalidRequestError for another purpose or too many bytes."""
    file = await files.hold_file(session, caller.project_id, file_id)
    if file is None:
        raise NotFoundError(f"No such File object: {file_id}", param="input_file_id", code="file_not_found")
    if file.purpose != PURPOSE:
        message = f"input_file_id: the file was uploaded for '{file.purpose}'; upload it with purpose '{PURPOSE}'."
        raise InvalidRequestError(message, param="input_file_id", code="invalid_file_purpose")
    most = gateway.bounds.now.max_batch_bytes
    if file.bytes > most:
        message = (
            f"input_file_id: {file.bytes} bytes, and a batch has at most {most} ({setting_of('max_batch_bytes')})."
        )
        raise InvalidRequestError(message, param="input_file_id", code="file_too_large")


async def get_batch(gateway: Gateway, caller: Principal, batch_id: str) -> ShownBatch:
    """Return a batch and its run. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        found = await batches.find_batch(session, caller.project_id, batch_id)
    if found is None:
        raise NotFoundError(f"No batch found with id '{batch_id}'.", param="batch_id")
    return found


async def list_batches(gateway: Gateway, caller: Principal, page: Page) -> tuple[list[ShownBatch], bool]:
    """Return a page of batches. Raises: NotFoundError for a cursor that is not there."""
    if page.after is not None:
        await get_batch(gateway, caller, page.after)
    async with gateway.database.transaction() as session:
        return await batches.list_batches(session, caller.project_id, page)


async def cancel_batch(gateway: Gateway, caller: Principal, batch_id: str) -> ShownBatch:
    """Begin to cancel: no new call is made, those under way are finished, and what is there is written. Raises:
    ConflictError when it is too late, NotFoundError."""
    await get_batch(gateway, caller, batch_id)
    async with gateway.database.transaction() as session:
        is_cancelled = await batches.cancel_batch(session, batch_id)
    now = await get_batch(gateway, caller, batch_id)
    if is_cancelled:
        await gateway.sender.send(RunBatch(batch_id))
    elif now[0].cancelling_at is None:
        allowed = " or ".join(BATCH.cancellable)
        raise ConflictError(f"The batch is {now[0].status}; only one that is {allowed} can be cancelled.", param="id")
    return now


def shape_batch(batch: Batch, run: Generation | None) -> Json:
    """Return OpenAI's batch object."""
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": unix_seconds(batch.created_at),
        "in_progress_at": find_seconds(batch.in_progress_at),
        "expires_at": unix_seconds(batch.expires_at),
        "finalizing_at": find_seconds(batch.finalizing_at),
        "cancelling_at": find_seconds(batch.cancelling_at),
        **{f"{status}_at": find_seconds(batch.finished_at, batch.status == status) for status in BATCH.final},
        "request_counts": count_requests(batch, run),
        "usage": batch.usage,
        "metadata": batch.batch_metadata,
    }


def find_seconds(moment: datetime | None, applies: bool = True) -> int | None:
    """Return a moment as OpenAI writes it; None without one, or where it does not apply."""
    return unix_seconds(moment) if moment is not None and applies else None


def count_requests(batch: Batch, run: Generation | None) -> dict[str, int]:
    """Return the requests by outcome; nothing is counted before the file was found good."""
    if run is None or batch.in_progress_at is None:
        return {"total": 0, "completed": 0, "failed": 0}
    return {"total": run.total, "completed": run.succeeded, "failed": run.failed + run.rejected}


def find_reason(batch: Batch, run: Generation | None) -> dict[str, str]:
    """Return the header that says why a batch stands still, if it does: OpenAI's object has no place for it."""
    if run is None or run.status != "paused" or batch.status != "in_progress" or not run.status_reason:
        return {}
    plain = run.status_reason.encode("ascii", "backslashreplace").decode()
    return {STATUS_HEADER: UNPRINTED.sub(" ", plain).strip()}
