"""The Celery application of the workers: `celery -A services.workers.celery_app worker --pool threads -Q …`.

Which message runs which body, and Celery's signals wired to the runtime. Beat loads it too, so importing it opens
nothing."""

from typing import Any, Final

from celery import signals
from pydantic import ValidationError

from services.workers.deliveries.tracker_desk import tell_tracker
from services.workers.deliveries.webhook_desk import deliver_outbox
from services.workers.fine_tuning.task import run_fine_tuning_job
from services.workers.generation.expand_task import expand_generation
from services.workers.generation.work_task import work_generation
from services.workers.interactive.desk import InteractiveDesk
from services.workers.interactive.task import run_completion
from services.workers.maintenance.orphan_objects import sweep_objects
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.schedule import SCHEDULE
from services.workers.models.compare_task import compare_models
from services.workers.models.evaluate_task import evaluate_model
from services.workers.models.remove_task import remove_model
from services.workers.preparing.task import prepare_dataset
from services.workers.preparing.work_folders import WorkFolders
from services.workers.process.context import Part
from services.workers.process.job_task import register_job
from services.workers.process.runtime import JobBody, WorkerRuntime
from shared.contracts.queue.messages import (
    DATASETS,
    INTERACTIVE,
    CompareModels,
    DeliverOutbox,
    EvaluateModel,
    ExpandGeneration,
    Message,
    PrepareDataset,
    ReapLapsed,
    RemoveModel,
    RunCompletion,
    RunFineTuningJob,
    SweepObjects,
    TellTracker,
    WorkGeneration,
)
from shared.errors import StorymillError
from shared.observability.logs import configure_logging
from shared.settings import load_settings
from shared.stores.queue.celery_app import make_celery

JOBS: Final[tuple[tuple[type[Message], JobBody], ...]] = (
    (RunCompletion, run_completion),
    (ExpandGeneration, expand_generation),
    (WorkGeneration, work_generation),
    (PrepareDataset, prepare_dataset),
    (RunFineTuningJob, run_fine_tuning_job),
    (EvaluateModel, evaluate_model),
    (CompareModels, compare_models),
    (RemoveModel, remove_model),
    (DeliverOutbox, deliver_outbox),
    (TellTracker, tell_tracker),
    (ReapLapsed, reap),
    (SweepObjects, sweep_objects),
)
PARTS: Final[dict[str, tuple[type[Part], ...]]] = {INTERACTIVE: (InteractiveDesk,), DATASETS: (WorkFolders,)}
"""What must listen as soon as a worker serves a queue, not only from its first job on."""

runtime = WorkerRuntime()
app = make_celery(load_settings().redis_url)
app.conf.worker_pool = "threads"
app.conf.beat_schedule = SCHEDULE
for message, body in JOBS:
    register_job(app, runtime, message, body)


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
    runtime.start_parts([part for queue, parts in PARTS.items() if queue in served for part in parts])


@signals.worker_shutting_down.connect
def _begin_stop(**_kwargs: Any) -> None:
    runtime.begin_stop()


@signals.worker_shutdown.connect
def _close_runtime(**_kwargs: Any) -> None:
    runtime.close()
