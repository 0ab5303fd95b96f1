"""What the routes about a run's stories answer, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel


class CoverageAxis(BaseModel):
    """An attribute with its values in the order of their first stories."""

    name: str | None
    values: list[Any]


class CellCounts(BaseModel):
    """The stories of one pair of values."""

    x: Any
    y: Any
    total: int
    running: int
    succeeded: int
    failed: int
    rejected: int
    cut: int
    accepted: int
    refused: int
    completion_tokens: int


class Coverage(BaseModel):
    """How far a run's grid is filled."""

    object: Literal["generation.coverage"]
    attributes: list[str]
    x: CoverageAxis
    y: CoverageAxis
    cells: list[CellCounts]
    has_more: bool


class FailuresOfAClass(BaseModel):
    """The stories that failed alike, with one of their messages."""

    id: str | None
    object: Literal["generation.failure"]
    failure_class: str | None
    stories: int
    message: str | None
