"""Send the messages of what the outside is owed: due webhooks, tracker runs that nobody tells."""

from typing import Final

from services.workers.process.context import WorkerContext
from shared.contracts.queue.messages import DeliverOutbox, Message, TellTracker
from shared.stores.db.repositories.outbox import is_any_due
from shared.stores.db.repositories.tracker_runs import take_due_runs

MOST_RUNS: Final = 500


async def find_owed_deliveries(context: WorkerContext) -> list[Message]:
    """Return the messages to be sent."""
    async with context.database.transaction() as session:
        webhooks: list[Message] = [DeliverOutbox()] if await is_any_due(session) else []
        runs = await take_due_runs(session, MOST_RUNS)
    return [*webhooks, *(TellTracker(job_id=job_id, sink=sink) for job_id, sink in runs)]
