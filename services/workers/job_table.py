"""Every job of the workers, one a line: its message, its body, and for rows with leases how they are kept and found
again. Celery and the reaper read this table and no other."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from services.workers.batches.lease import BATCH_ROWS
from services.workers.batches.task import run_batch
from services.workers.deliveries.deliver_task import deliver_outbox
from services.workers.deliveries.lease import TRACKER_ROWS, WEBHOOK_ROWS
from services.workers.deliveries.tell_task import tell_tracker
from services.workers.fine_tuning.lease import FINE_TUNING_ROWS
from services.workers.fine_tuning.task import run_fine_tuning_job
from services.workers.generation.expand_task import expand_generation
from services.workers.generation.lease import GENERATION_ROWS
from services.workers.generation.work_task import work_generation
from services.workers.interactive.desk import InteractiveDesk
from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.interactive.serving import ServingSlice
from services.workers.interactive.task import run_completion
from services.workers.leases.row_kind import RowKind
from services.workers.maintenance.look_task import look_at_provider
from services.workers.maintenance.reap_task import reap
from services.workers.maintenance.store_watch import StoreWatch
from services.workers.maintenance.sweep_task import sweep_objects
from services.workers.models.compare_task import compare_models
from services.workers.models.evaluate_task import evaluate_model
from services.workers.models.lease import COMPARISON_ROWS, EVALUATION_ROWS, REMOVAL_ROWS
from services.workers.models.remove_task import remove_model
from services.workers.preparing.lease import DATASET_ROWS
from services.workers.preparing.task import prepare_dataset
from services.workers.preparing.work_folders import WorkFolders
from services.workers.process.context import Part
from services.workers.process.runtime import JobBody
from shared.contracts.queue.messages import (
    CompareModels,
    DeliverOutbox,
    EvaluateModel,
    ExpandGeneration,
    LookAtProvider,
    Message,
    PrepareDataset,
    ReapLapsed,
    RemoveModel,
    RunBatch,
    RunCompletion,
    RunFineTuningJob,
    SweepObjects,
    TellTracker,
    WorkGeneration,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work. Its queue stands with its message."""

    message: type[Message]
    body: JobBody
    rows: RowKind[Any, Any] | None = None
    """How its rows are kept, and found by the reaper when nobody took them or their lease has lapsed."""
    parts: tuple[type[Part], ...] = ()
    """What must listen as soon as a worker serves the queue, not only from the first job on."""


KINDS: Final = (
    Job(RunCompletion, run_completion, COMPLETION_ROWS, (InteractiveDesk, ServingSlice)),
    Job(ExpandGeneration, expand_generation),
    Job(WorkGeneration, work_generation, GENERATION_ROWS),
    Job(RunBatch, run_batch, BATCH_ROWS),
    Job(PrepareDataset, prepare_dataset, DATASET_ROWS, (WorkFolders,)),
    Job(RunFineTuningJob, run_fine_tuning_job, FINE_TUNING_ROWS),
    Job(EvaluateModel, evaluate_model, EVALUATION_ROWS),
    Job(CompareModels, compare_models, COMPARISON_ROWS),
    Job(RemoveModel, remove_model, REMOVAL_ROWS),
    Job(DeliverOutbox, deliver_outbox, WEBHOOK_ROWS),
    Job(TellTracker, tell_tracker, TRACKER_ROWS),
)
ROW_KINDS: Final = tuple(job.rows for job in KINDS if job.rows is not None)
JOBS: Final = (
    *KINDS,
    Job(ReapLapsed, partial(reap, row_kinds=ROW_KINDS), parts=(StoreWatch,)),
    Job(SweepObjects, sweep_objects),
    Job(LookAtProvider, look_at_provider),
)
