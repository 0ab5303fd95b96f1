"""Where a story comes from, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel


class RefusedText(BaseModel):
    """A text that a rule of the recipe refused, and why."""

    text: str | None
    because: str


class UpstreamCall(BaseModel):
    """One call of a provider."""

    id: str
    number: int
    provider: str
    model: str
    outcome: str
    failure_class: str | None
    rejected: RefusedText | None
    upstream_request_id: str | None
    usage: dict[str, int] | None
    cost_usd: float | None
    started_at: int
    finished_at: int | None


class PlaceInDataset(BaseModel):
    """A dataset that holds the story; its role, in a pair."""

    dataset_id: str
    version: str
    split: str
    position: int
    role: Literal["preferred", "rejected"] | None = None


class TaughtModel(BaseModel):
    """A model that was trained on the story."""

    model: str
    model_id: str
    job_id: str
    dataset_version: str | None
    by_replay: bool


class Lineage(BaseModel):
    """Run, recipe version, every upstream call, and where the story went."""

    object: Literal["story.lineage"]
    story_id: str
    row_key: str
    generation_id: str
    recipe_id: str
    recipe_version_id: str
    recipe_version: int
    attributes: dict[str, Any]
    repeat: int
    model: str
    parameters: dict[str, Any]
    is_edited: bool
    attempts: list[UpstreamCall]
    datasets: list[PlaceInDataset]
    models: list[TaughtModel]
