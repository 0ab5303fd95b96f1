"""How far a run's grid is filled: its stories counted by the values of two attributes, and by why they failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import STORY
from shared.stores.db.models import Story


@dataclass(frozen=True, slots=True)
class CoverageCell:
    """The stories of one pair of values."""

    x: Any
    y: Any
    total: int
    running: int
    succeeded: int
    failed: int
    rejected: int
    cut: int
    """Succeeded, but ended by `max_tokens`."""
    accepted: int
    refused: int
    """By a reviewer."""
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Stories of a run that failed alike."""

    failure_class: str | None
    stories: int
    message: str | None
    """One of theirs."""


def count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return how many rows of a group fulfil the condition."""
    return func.count().filter(condition)


async def count_cells(
    session: AsyncSession, generation_id: str, x: str, y: str | None, limit: int
) -> tuple[list[CoverageCell], bool]:
    """Return the cells in the run's order, at most `limit`, and whether there are more; without `y`, of one row."""
    x_value = Story.attributes[x].label("x")
    y_value = (Story.attributes[y] if y is not None else literal(None, JSONB)).label("y")
    query = (
        select(
            x_value,
            y_value,
            func.count(),
            count_where(Story.status == "running"),
            count_where(Story.status == "succeeded"),
            count_where(Story.status == "failed"),
            count_where(Story.status == "rejected"),
            count_where(and_(Story.status == "succeeded", Story.finish_reason == "length")),
            count_where(Story.review == "accepted"),
            count_where(Story.review == "rejected"),
            func.coalesce(func.sum(Story.completion_tokens), 0),
        )
        .where(Story.generation_id == generation_id)
        .group_by(x_value, y_value)
        .order_by(func.min(Story.position))
        .limit(limit + 1)
    )
    rows = [CoverageCell(*row) for row in (await session.execute(query)).all()]
    return rows[:limit], len(rows) > limit


async def count_failures(session: AsyncSession, generation_id: str) -> Sequence[FailureCount]:
    """Return why stories failed or were refused by the provider, the most frequent reason first."""
    stories = func.count().label("stories")
    query = (
        select(Story.failure_class, stories, func.max(Story.failure_message))
        .where(
            Story.generation_id == generation_id,
            Story.status.in_(STORY.final),
            Story.failure_class.is_not(None),
        )
        .group_by(Story.failure_class)
        .order_by(stories.desc(), Story.failure_class)
    )
    return [FailureCount(*row) for row in (await session.execute(query)).all()]
