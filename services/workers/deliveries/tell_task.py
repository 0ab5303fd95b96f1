"""The body of `TellTracker`: the process's desk tells a tracker of a job."""

from services.workers.deliveries.tracker_desk import TrackerDesk
from services.workers.process.context import WorkerContext


async def tell_tracker(context: WorkerContext, job_id: str, sink: str) -> None:
    """Give the run a place at the desk, and hold no thread while the job goes on."""
    desk = await context.part(TrackerDesk)
    desk.take(job_id, sink)
