"""Bodies of the generation routes."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody
from services.gateway.recipes.schemas import MAX_REPEATS, InlineRecipe

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]


class GenerationRequest(RequestBody):
    """The body of `POST /v1/generations` and of its estimate."""

    model_config = ConfigDict(extra="forbid")

    recipe: Annotated[str, Field(min_length=1, max_length=128)] | InlineRecipe = Field(
        description="A recipe's name, its id, or the content itself."
    )
    repeats: int | None = Field(None, ge=1, le=MAX_REPEATS)
    model: str | None = Field(None, min_length=1, max_length=512)
    limit: int | None = Field(None, ge=1, description="Only the first so many stories of the grid.")
    budget_usd: float | None = Field(None, gt=0, le=1e9, description="The run pauses rather than spend more.")
    requests_per_minute: int | None = Field(None, ge=1, le=10_000_000)
    tokens_per_minute: int | None = Field(None, ge=1, le=2_000_000_000)
    pilot: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Write so many stories first, spread over the grid, then pause with the reason `pilot`.",
    )
    extend: bool = Field(
        False, description="Raise the repeats of the newest run of the same recipe; what it has written stays."
    )

    def budget(self) -> Decimal | None:
        """Return the budget as money."""
        return None if self.budget_usd is None else Decimal(str(self.budget_usd))


class RetryRequest(RequestBody):
    """The body of `POST /v1/generations/{id}/retry`; without one all failed stories are meant."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["failed", "rejected"] = Field(
        "failed", description="`rejected`: those for which no text kept the rules; they get all their tries again."
    )
    failure_class: str | None = Field(None, min_length=1, max_length=32, examples=["server_error"])


class GenerationChange(RequestBody):
    """The body of `PATCH /v1/generations/{id}`."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(min_length=1, description="Laid over the run's; null takes one away.")


class Counts(BaseModel):
    """Stories by state."""

    total: int
    queued: int
    running: int
    succeeded: int
    failed: int
    rejected: int
    cancelled: int


class Generation(BaseModel):
    """A run of a recipe."""

    id: str
    object: Literal["generation"]
    status: Status
    status_reason: str | None
    resumes_at: int | None
    recipe: dict[str, Any]
    model: str
    repeats: int
    counts: Counts
    usage: dict[str, int]
    cost_usd: float | None
    cost_known: bool
    reserved_usd: float
    budget_usd: float | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    pilot: int | None
    limited_by: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None


class DeletedGeneration(BaseModel):
    """What is left of a run."""

    id: str
    object: Literal["generation"] = "generation"
    deleted: bool


class Estimate(BaseModel):
    """What a run will probably take. Each interval has low, expected and high; null with a note when unknown."""

    object: Literal["generation.estimate"]
    total: int
    model: str
    prompt_tokens: dict[str, int]
    completion_tokens: dict[str, int] | None
    cost_usd: dict[str, float] | None
    seconds_at_least: float | None
    notes: list[str]


class SeenStories(BaseModel):
    """What the stories took that a forecast is made from, each with all of its calls."""

    stories: int
    failed: int
    rejected: int
    calls: int
    rejected_calls: int
    reject_rate: float
    prompt_tokens_per_story: float
    completion_tokens_per_story: float
    cost_usd_per_story: float | None


class Forecast(BaseModel):
    """What the rest of a run will probably take; each interval has low, expected and high, null with a note when
    unknown."""

    object: Literal["generation.forecast"]
    id: str
    model: str
    total: int
    left: int
    seen: SeenStories
    prompt_tokens: dict[str, int] | None
    completion_tokens: dict[str, int] | None
    cost_usd: dict[str, float] | None
    spent_usd: float
    notes: list[str]


class RunProgress(Generation):
    """A run that is watched, with its speed."""

    stories_per_second: float
    eta_seconds: float | None
