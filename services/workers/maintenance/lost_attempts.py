"""Close the books on calls whose worker died: charged with the worst case, because nobody knows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.process.context import WorkerContext
from shared.observability.logs import get_logger
from shared.stores.db.repositories.attempts import SettledAttempt, settle_attempts
from shared.stores.db.repositories.generation_progress import ZERO_USD, Progress, add_progress
from shared.stores.db.repositories.ledger import LedgerLine, book_attempts
from shared.stores.db.repositories.reaping import LostAttempt, lock_lost_attempts

PRICE_NOTE: Final = "no outcome: charged with the reserved worst case"

log = get_logger(__name__)


async def settle_lost_attempts(context: WorkerContext) -> None:
    """Settle calls that are older than a lease, without outcome, and whose row has moved on, as `unknown`.
    If the answer comes after all, the worker that has it corrects the entry."""
    async with context.database.transaction() as session:
        lost = await lock_lost_attempts(session, context.worker_settings.lease_seconds)
        await settle_attempts(session, [SettledAttempt(call.id, "unknown", call.reserved_usd) for call in lost])
        await book_attempts(session, [LedgerLine(call.id, call.api_key_id, PRICE_NOTE) for call in lost])
        await move_reserved_money(session, lost)
    if lost:
        log.info("attempts_unknown", count=len(lost))


async def move_reserved_money(session: AsyncSession, lost: Sequence[LostAttempt]) -> None:
    """Count what was reserved for lost calls as spent."""
    by_run: defaultdict[str, Progress] = defaultdict(Progress)
    for call in lost:
        if call.generation_id is not None:
            progress = by_run[call.generation_id]
            progress.reserved_usd -= call.reserved_usd or ZERO_USD
            progress.spent_usd += call.reserved_usd or ZERO_USD
            progress.cost_known = progress.cost_known and call.reserved_usd is not None
    for generation_id in sorted(by_run):
        await add_progress(session, generation_id, by_run[generation_id])
