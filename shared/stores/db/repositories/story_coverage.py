"""How far a run's grid is filled: its stories counted by the values of two attributes, and by why they failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, literal, select, text
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


COUNT_FILLED: Final = text("""
    select count(*) from (
        select (story.position - layer.start) / layer.repeats as cell
        from unnest(cast(:starts as bigint[]), cast(:repeats as int[])) as layer (start, repeats)
        join story on story.position >= layer.start and story.position < layer.start + :cells * layer.repeats
        where story.generation_id = :generation_id and story.status = 'succeeded'
        group by cell
        having count(*) = case
            when (story.position - layer.start) / layer.repeats = :cells - 1 then cast(:last as int)
            else cast(:each as int) end
    ) as filled
""")


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


async def count_filled_cells(
    session: AsyncSession, generation_id: str, total: int, layers: Sequence[int]
) -> tuple[int, int]:
    """Return how many cells of a run have all their stories, and how many cells it has. `layers`: the repeats of each;
    with a limit the last cell has what is left of `total`."""
    each = sum(layers)
    cells = -(-total // each)
    starts = [cells * sum(layers[:number]) for number in range(len(layers))]
    values = {"generation_id": generation_id, "cells": cells, "starts": starts, "repeats": list(layers), "each": each}
    last = total - (cells - 1) * each
    return int(await session.scalar(COUNT_FILLED, {**values, "last": last}) or 0), cells


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
