"""What is read out of a dataset, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class ShownRow(BaseModel):
    """A row with where it came from."""

    id: str
    object: Literal["dataset.row"]
    split: Literal["train", "validation"]
    row: dict[str, Any]
    story_id: str | None
    rejected_story_id: str | None
    generation_id: str | None
    recipe: str | None
    recipe_version: int | None
    recipe_version_id: str | None
    model: str | None
    cost_usd: float | None
    file_id: str | None
    line: int | None


class DatasetReport(BaseModel):
    """Counts, findings with examples, histograms and tokens."""

    model_config = ConfigDict(extra="allow")
    object: Literal["dataset.report"]
    dataset_id: str
