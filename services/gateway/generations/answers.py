"""What the routes about a run's stories answer, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel

from shared.stores.db.repositories.story_coverage import CoverageCell


class CoverageAxis(BaseModel):
    """An attribute with its values in the order of their first stories."""

    name: str | None
    values: list[Any]


class Coverage(BaseModel):
    """How far a run's grid is filled."""

    object: Literal["generation.coverage"]
    attributes: list[str]
    x: CoverageAxis
    y: CoverageAxis
    cells: list[CoverageCell]
    has_more: bool


class FilledCells(BaseModel):
    """How many cells of a run's grid have all their stories."""

    object: Literal["generation.cells"]
    id: str
    total: int
    filled: int


class FailuresOfAClass(BaseModel):
    """The stories that failed alike, with one of their messages."""

    id: str | None
    object: Literal["generation.failure"]
    failure_class: str | None
    stories: int
    message: str | None
