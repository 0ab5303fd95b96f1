"""The end of a batch, with its webhook in the same transaction: what came of it, or why nothing did."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.batches.line_check import LineError
from services.workers.leases.row_kind import LostRowError
from services.workers.process.context import WorkerContext
from services.workers.process.object_rows import Stored, write_with_objects
from services.workers.process.store_patience import write_patiently
from shared.contracts.queue.messages import DeliverOutbox
from shared.observability.logs import get_logger
from shared.stores.db.repositories import files
from shared.stores.db.repositories.batch_claims import BatchClaim, BatchEnding, fail_batch, finish_batch
from shared.stores.db.repositories.outbox import add_webhook_events

OUTPUT_PURPOSE = "batch_output"
OUTPUT, ERROR = "output", "error"

log = get_logger(__name__)


async def record_failure(context: WorkerContext, claim: BatchClaim, errors: Sequence[LineError]) -> None:
    """End a batch of which nothing can come. Raises: LostRowError when it is not ours any more."""
    await record_refusal(context, claim, [asdict(error) for error in errors])


async def record_refusal(context: WorkerContext, claim: BatchClaim, errors: Sequence[dict[str, Any]]) -> None:
    """End a batch whose file is refused. Raises: LostRowError when it is not ours any more."""

    async def write(session: AsyncSession) -> None:
        if not await fail_batch(session, claim, errors):
            raise LostRowError(claim.id)
        await add_webhook_events(session, claim.project_id, "batch.failed", {"id": claim.id})

    await write_patiently(context.database, write, what="fail a batch")
    await context.sender.send(DeliverOutbox(untried_only=True))
    log.info("batch_failed", batch=claim.id, errors=len(errors))


async def record_end(
    context: WorkerContext,
    claim: BatchClaim,
    status: str,
    usage: dict[str, Any] | None = None,
    contents: Mapping[str, IO[bytes]] | None = None,
) -> None:
    """End a batch: store the files of `contents` (OUTPUT, ERROR), name them, and tell it. Raises: LostRowError when it
    is not ours any more."""

    async def write(session: AsyncSession, stored: Stored) -> None:
        made = {name: await add_output_file(session, claim, name, stored) for name in stored}
        ending = BatchEnding(status, usage, made.get(OUTPUT), made.get(ERROR))
        if not await finish_batch(session, claim, ending):
            raise LostRowError(claim.id)
        await add_webhook_events(session, claim.project_id, f"batch.{status}", {"id": claim.id})

    await write_with_objects(context, contents or {}, write, what="finish a batch")
    await context.sender.send(DeliverOutbox(untried_only=True))
    log.info("batch_finished", batch=claim.id, status=status)


async def add_output_file(session: AsyncSession, claim: BatchClaim, name: str, stored: Stored) -> str:
    """Name what was stored as a file of the project; return its id."""
    file = await files.add_file(
        session,
        project_id=claim.project_id,
        filename=f"{claim.id}_{name}.jsonl",
        purpose=OUTPUT_PURPOSE,
        sha256=stored[name].sha256,
        size=stored[name].bytes,
    )
    return file.id
