"""Bodies of the fine-tuning routes: OpenAI's, and what we add to them."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.gateway.fine_tuning.hyperparameters import Hyperparameters, PreferenceHyperparameters
from services.gateway.http.body_rules import need_exactly_one
from services.gateway.http.request_body import RequestBody
from shared.http.answers import Json

LARGEST_SEED: Final = 2**31 - 1
"""OpenAI's."""
MOST_INTEGRATIONS: Final = 8
METHODS: Final = ("supervised", "dpo")

ModelName = Annotated[str, Field(min_length=1, max_length=512)]
FileId = Annotated[str, Field(min_length=1, max_length=1024)]
"""Long: the 2023 client sends a local path when it has found no file there."""
MetadataKey = Annotated[str, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
TrackerText = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
SinkName = Literal["wandb", "mlflow", "trackio", "tensorboard"]


class StrictBody(RequestBody):
    """A body whose every field is known: a misspelt one would be a job that nobody wanted."""

    model_config = ConfigDict(extra="forbid")


class Supervised(StrictBody):
    """Learn completions."""

    hyperparameters: Hyperparameters | None = None


class Preference(StrictBody):
    """Learn from pairs which answer is the better one."""

    hyperparameters: PreferenceHyperparameters | None = None


class Method(StrictBody):
    """How to train."""

    type: str = "supervised"
    supervised: Supervised | None = None
    dpo: Preference | None = None
    reinforcement: dict[str, Any] | None = None

    @field_validator("type")
    @classmethod
    def _check_type(cls, kind: str) -> str:
        if kind not in METHODS:
            raise ValueError(f"'{kind}' is not supported; give one of {', '.join(METHODS)}")
        return kind

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        given = [name for name in (*METHODS, "reinforcement") if getattr(self, name) is not None]
        if any(name != self.type for name in given):
            raise ValueError(f"the options do not belong to the type '{self.type}'")
        return self

    def settle(self) -> Json:
        """Return the hyperparameters."""
        options = self.supervised if self.type == "supervised" else self.dpo
        return ((options and options.hyperparameters) or Hyperparameters()).settle()


class TensorBoardOptions(StrictBody):
    """The run's name; where the logs lie is the operator's choice."""

    name: TrackerText | None = None


class TrackioOptions(TensorBoardOptions):
    """Trackio's project and run."""

    project: TrackerText | None = None


class MlflowOptions(TensorBoardOptions):
    """MLflow's experiment, run and tags."""

    experiment: TrackerText | None = None
    tags: Annotated[list[TrackerText], Field(max_length=64)] | None = None


class WandbOptions(TensorBoardOptions):
    """OpenAI's options of Weights & Biases."""

    project: TrackerText
    entity: TrackerText | None = None
    tags: Annotated[list[TrackerText], Field(max_length=64)] | None = None


class Integration(StrictBody):
    """An experiment tracker that is to follow the job. Only the first is OpenAI's."""

    type: SinkName
    wandb: WandbOptions | None = None
    mlflow: MlflowOptions | None = None
    trackio: TrackioOptions | None = None
    tensorboard: TensorBoardOptions | None = None

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if self.type == "wandb" and self.wandb is None:
            raise ValueError("give 'wandb' with its 'project'")
        return self


class Replay(StrictBody):
    """How much of the ancestors' rows is mixed in."""

    share: float = Field(ge=0, le=0.9)


class JobRequest(StrictBody):
    """What a job is made of. The lower half is ours."""

    model_config = ConfigDict(json_schema_extra=need_exactly_one("training_file", "dataset"))

    model: ModelName = Field(examples=["gpt-4o-mini-2024-07-18"])
    training_file: FileId | None = Field(None, examples=["file-0198c1e2"])
    validation_file: FileId | None = None
    suffix: str | None = Field(None, min_length=1, max_length=64)
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    metadata: Metadata | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: Annotated[list[Integration], Field(max_length=MOST_INTEGRATIONS)] | None = None

    dataset: Annotated[str, Field(max_length=64)] | None = None
    budget_usd: float | None = Field(None, gt=0, le=1e9)
    replay: Replay | None = None
    force: bool | None = None

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if (self.training_file is None) == (self.dataset is None):
            raise ValueError("give either 'training_file' or 'dataset'")
        if self.method is not None and self.hyperparameters and self.hyperparameters.model_dump(exclude_none=True):
            raise ValueError("give either 'method' or 'hyperparameters'")
        sinks = [integration.type for integration in self.integrations or []]
        if len(set(sinks)) != len(sinks):
            raise ValueError("integrations: a tracker is named twice")
        return self

    def settle(self) -> tuple[str, Json]:
        """Return the method's type and the hyperparameters."""
        if self.method is not None:
            return self.method.type, self.method.settle()
        return "supervised", (self.hyperparameters or Hyperparameters()).settle()


class JobError(BaseModel):
    """Why a job failed."""

    code: str | None
    message: str
    param: str | None


class ShownTracker(BaseModel):
    """How far an experiment tracker has been told."""

    sink: SinkName
    status: Literal["open", "complete", "given_up"]
    told_step: int
    run_ref: str | None
    last_error: str | None


class FineTuningJob(BaseModel):
    """OpenAI's job. From `provider` on the fields are ours."""

    id: str
    object: Literal["fine_tuning.job"]
    created_at: int
    finished_at: int | None
    model: str
    fine_tuned_model: str | None
    organization_id: str
    status: Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
    hyperparameters: Json
    method: Json
    training_file: str
    validation_file: str | None
    result_files: list[str]
    trained_tokens: int | None
    error: JobError | None
    seed: int | None
    suffix: str | None
    integrations: list[Json]
    estimated_finish: int | None
    metadata: dict[str, str] | None
    provider: str
    step: str
    base_model: str
    parent_model: str | None
    dataset_version: str | None
    estimate: Json | None
    budget_usd: float | None
    cost_usd: float | None
    replay: Json | None
    wanted: Literal["cancel", "pause", "resume"] | None
    status_reason: str | None
    trackers: list[ShownTracker]
