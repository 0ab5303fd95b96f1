"""Every queue name, task name and payload. Payloads are ids: the row holds the rest, so a lost or doubled
message harms nothing. To add a field, give it a default: messages of the last release must still parse."""

from dataclasses import asdict, dataclass
from typing import ClassVar, Final

INTERACTIVE: Final = "interactive"
GENERATION: Final = "generation"
DATASETS: Final = "datasets"
FINE_TUNING: Final = "fine_tuning"
MAINTENANCE: Final = "maintenance"
QUEUES: Final = (INTERACTIVE, GENERATION, DATASETS, FINE_TUNING, MAINTENANCE)


@dataclass(frozen=True, slots=True)
class Message:
    """What a queue carries: the name of a task and the ids it works on."""

    task: ClassVar[str]
    queue: ClassVar[str]

    def payload(self) -> dict[str, object]:
        """Return the keyword arguments of the task."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunCompletion(Message):
    """Claim one interactive completion and stream its text. Sent to the line of its project, not through Celery."""

    task: ClassVar[str] = "storymill.interactive.run_completion"
    queue: ClassVar[str] = INTERACTIVE
    completion_id: str
    project_id: str = ""
    """Whose turn it takes; messages of releases before the line do not say."""


@dataclass(frozen=True, slots=True)
class ExpandGeneration(Message):
    """Insert the story rows of a generation from its grid (resumes where an earlier try stopped)."""

    task: ClassVar[str] = "storymill.generation.expand"
    queue: ClassVar[str] = GENERATION
    generation_id: str


@dataclass(frozen=True, slots=True)
class WorkGeneration(Message):
    """Work on a generation for a while: claim rows, call the model, write stories."""

    task: ClassVar[str] = "storymill.generation.work"
    queue: ClassVar[str] = GENERATION
    generation_id: str
    was_unheld: bool = False
    """The reaper found that no worker held it: one of its rows may have killed them all."""


@dataclass(frozen=True, slots=True)
class RunBatch(Message):
    """Claim one batch: check its file and make its run, or write what came of that."""

    task: ClassVar[str] = "storymill.batches.run"
    queue: ClassVar[str] = GENERATION
    batch_id: str


@dataclass(frozen=True, slots=True)
class PrepareDataset(Message):
    """Claim one dataset and prepare it."""

    task: ClassVar[str] = "storymill.datasets.prepare"
    queue: ClassVar[str] = DATASETS
    dataset_id: str


@dataclass(frozen=True, slots=True)
class RunFineTuningJob(Message):
    """Claim one fine-tuning job and take it as far as its provider lets it go."""

    task: ClassVar[str] = "storymill.fine_tuning.run"
    queue: ClassVar[str] = FINE_TUNING
    job_id: str


@dataclass(frozen=True, slots=True)
class EvaluateModel(Message):
    """Claim one evaluation and measure the model on the file."""

    task: ClassVar[str] = "storymill.models.evaluate"
    queue: ClassVar[str] = FINE_TUNING
    evaluation_id: str


@dataclass(frozen=True, slots=True)
class CompareModels(Message):
    """Claim one comparison: let both models write, then let the judge vote."""

    task: ClassVar[str] = "storymill.models.compare"
    queue: ClassVar[str] = FINE_TUNING
    comparison_id: str


@dataclass(frozen=True, slots=True)
class RemoveModel(Message):
    """Delete a tuned model at its provider: here it is deleted already."""

    task: ClassVar[str] = "storymill.models.remove"
    queue: ClassVar[str] = FINE_TUNING
    model_id: str


@dataclass(frozen=True, slots=True)
class DeliverOutbox(Message):
    """Send the webhooks that are due."""

    task: ClassVar[str] = "storymill.deliveries.webhooks"
    queue: ClassVar[str] = MAINTENANCE
    untried_only: bool = False
    """New ones are owed. Whether one that was tried before is still under way elsewhere, the reaper knows."""


@dataclass(frozen=True, slots=True)
class TellTracker(Message):
    """Claim one tracker run and bring it up to date."""

    task: ClassVar[str] = "storymill.deliveries.tracker"
    queue: ClassVar[str] = FINE_TUNING
    job_id: str
    sink: str


@dataclass(frozen=True, slots=True)
class LookAtProvider(Message):
    """Look up what a provider lists, and say it in Redis under the errand's id. Who asked waits for a few seconds."""

    task: ClassVar[str] = "storymill.maintenance.look_at_provider"
    queue: ClassVar[str] = MAINTENANCE
    provider: str
    errand_id: str


@dataclass(frozen=True, slots=True)
class ReapLapsed(Message):
    """Enqueue again what was never delivered or whose lease has lapsed; heal unsent stream ends."""

    task: ClassVar[str] = "storymill.maintenance.reap"
    queue: ClassVar[str] = MAINTENANCE


@dataclass(frozen=True, slots=True)
class SweepObjects(Message):
    """Drop objects that nothing has named for a day."""

    task: ClassVar[str] = "storymill.maintenance.sweep_objects"
    queue: ClassVar[str] = MAINTENANCE
