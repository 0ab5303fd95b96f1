"""A job body (`async def run(context, **ids)`) as a Celery task. Knows no job kind."""

from dataclasses import fields

from celery import Celery

from services.workers.process.runtime import JobBody, WorkerRuntime
from shared.contracts.queue.messages import Message
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY

log = get_logger(__name__)


def register_job(app: Celery, runtime: WorkerRuntime, message: type[Message], body: JobBody) -> None:
    """Make `body` the task of `message`. Fields that this release does not know are dropped, so that a newer
    sender does no harm. No retries and no result: the row says what became of the job, and one whose store is away
    waits until the reaper sends its message again."""
    known = {field.name for field in fields(message)}

    def run(**payload: object) -> None:
        ids = {name: value for name, value in payload.items() if name in known}
        if runtime.is_stopping:  # taken off the queue after SIGTERM: for another worker
            app.send_task(message.task, kwargs=payload, queue=message.queue)
            return
        try:
            runtime.run_job(message.task, body, ids)
        except STORE_AWAY as error:
            log.warning("job_left_to_the_reaper", job=message.task, error=str(error), **ids)

    app.task(name=message.task, ignore_result=True)(run)
