"""The body of `RunBatch`: the first half of a batch, or its second."""

from services.workers.batches.beginning import begin_batch
from services.workers.batches.lease import BATCH_ROWS
from services.workers.batches.results import write_results
from services.workers.leases.row_kind import begin_lease
from services.workers.leases.working import work_while_held
from services.workers.process.context import WorkerContext
from shared.stores.db.repositories.batch_claims import claim_batch


async def run_batch(context: WorkerContext, batch_id: str) -> None:
    """Do what there is to do for a batch, if nobody else does: check its file and let its run go, or write its answers
    when the run makes no more calls."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claim = await claim_batch(session, batch_id, lease.worker_id, lease.seconds)
    if claim is None:
        return
    do = begin_batch if claim.status == "validating" else write_results
    await work_while_held(context, BATCH_ROWS, claim, lease, lambda _hold: do(context, claim))
