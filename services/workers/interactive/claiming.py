"""Taking a completion, and going on to its next attempt: in each case the call is on the books before it leaves."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.interactive.call import Call, plan_call
from services.workers.interactive.finishing import settle_calls
from services.workers.leases.row_kind import Lease, begin_lease
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from shared.stores.db.repositories.attempts import add_attempts
from shared.stores.db.repositories.completion_claims import ClaimedCompletion, advance_attempt, claim_completion


async def claim(
    context: WorkerContext, completion_id: str, lease: Lease
) -> tuple[ClaimedCompletion, Call | None] | None:
    """Claim a row; with it, in the same commit, the call to make if its model's provider is known already."""
    async with context.database.transaction() as session:
        claimed = await claim_completion(session, completion_id, lease.worker_id, lease.seconds)
        if claimed is None:
            return None
        target = None if claimed.cancel_requested else context.catalog.find_known_target(claimed.served_model)
        return claimed, await book_call(context, session, plan_call(claimed, target)) if target else None


async def find_call(context: WorkerContext, claimed: ClaimedCompletion) -> Call | None:
    """Ask the providers who serves the claimed row's model; None when nobody does."""
    target = await context.catalog.find_target(claimed.served_model)
    if target is None:
        return None
    async with context.database.transaction() as session:
        return await book_call(context, session, plan_call(claimed, target))


async def advance(context: WorkerContext, failed: Call) -> tuple[Call, Lease] | None:
    """Settle a failed call and book the next one, as the row's next attempt; None when the row is not ours."""
    claimed = failed.claimed

    async def commit() -> tuple[Call, Lease] | None:
        lease = begin_lease(context)
        async with context.database.transaction() as session:
            await settle_calls(session, [failed])
            following = await advance_attempt(session, claimed.id, claimed.attempt, lease.worker_id, lease.seconds)
            if following is None:
                return None
            return await book_call(context, session, plan_call(following, failed.target)), lease

    return await keep_trying(commit, what="advance_attempt")


async def book_call(context: WorkerContext, session: AsyncSession, call: Call) -> Call:
    """Insert the attempt row of a call."""
    await add_attempts(session, call.caller(context.worker_id), [call.new_attempt()])
    return call
