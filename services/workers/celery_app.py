"""The Celery application of the workers: `celery -A services.workers.celery_app worker --pool threads -Q …`.

The job table registered, and Celery's signals wired to the runtime. Beat loads it too, so importing it opens
nothing."""

from typing import Any

from celery import signals
from pydantic import ValidationError

from services.workers.job_table import JOBS
from services.workers.maintenance.schedule import SCHEDULE
from services.workers.process.job_task import register_job
from services.workers.process.runtime import WorkerRuntime
from shared.errors import StorymillError
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.stores.queue.celery_app import make_celery

runtime = WorkerRuntime()
app = make_celery(load_settings().redis_url)
app.conf.worker_pool = "threads"
app.conf.beat_schedule = SCHEDULE
for job in JOBS:
    register_job(app, runtime, job.message, job.body)


@signals.setup_logging.connect
def _configure_logging(**_kwargs: Any) -> None:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)


@signals.worker_init.connect
def _start_runtime(**_kwargs: Any) -> None:
    try:
        runtime.start()
    except (StorymillError, ValidationError, OSError) as error:
        # Celery logs and forgets what a signal handler raises: a worker that can do nothing must not seem to run.
        raise SystemExit(f"the worker cannot start: {error}") from error


@signals.worker_ready.connect
def _start_parts(sender: Any, **_kwargs: Any) -> None:
    served = sender.app.amqp.queues.consume_from
    parts = [part for job in JOBS if job.message.queue in served for part in job.parts]
    runtime.start_parts(parts, sender.controller.concurrency)


@signals.worker_shutting_down.connect
def _begin_stop(**_kwargs: Any) -> None:
    runtime.begin_stop()


@signals.worker_shutdown.connect
def _close_runtime(**_kwargs: Any) -> None:
    runtime.close()
