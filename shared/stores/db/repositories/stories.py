"""Stories: read, filtered, exported and reviewed. Workers claim and write them elsewhere."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Attempt, Generation, Story
from shared.stores.db.repositories.pages import Page, fetch_page

EXPORT_BATCH = 500
HISTORY_STORIES = 1000
ENOUGH_STORIES = 5
"""Fewer say nothing about a recipe."""


@dataclass(frozen=True, slots=True)
class StoryFilter:
    """Which stories a caller wants; None means any."""

    generation_id: str | None = None
    status: str | None = None
    review: str | None = None
    """A verdict, or `none` for stories that have none."""
    attributes: dict[str, Any] = field(default_factory=dict)
    from_position: int | None = None
    """Of one run: stories at this place in its order, and those behind it."""


def read_status(story: Story, run: Generation) -> str:
    """Return a story's status as of now: what was queued when its run was cancelled is cancelled, whether the reaper
    has written it down or not."""
    return "cancelled" if story.status == "queued" and run.status == "cancelled" else story.status


def has_status(status: str) -> ColumnElement[bool]:
    """Return the condition that `read_status` gives this status."""
    of_cancelled_run = Story.generation_id.in_(select(Generation.id).where(Generation.status == "cancelled"))
    if status == "queued":
        return and_(Story.status == "queued", not_(of_cancelled_run))
    if status == "cancelled":
        return or_(Story.status == "cancelled", and_(Story.status == "queued", of_cancelled_run))
    return Story.status == status


def is_of_recipe(project_id: str) -> ColumnElement[bool]:
    """Return the condition that a row is no line of a batch."""
    of_batches = select(Generation.id).where(
        Generation.project_id == project_id, Generation.recipe_version_id.is_(None)
    )
    return Story.generation_id.not_in(of_batches)


async def find_story(session: AsyncSession, project_id: str, story_id: str) -> Story | None:
    """Return a story of the project; a batch's line is none."""
    query = select(Story).where(Story.id == story_id, Story.project_id == project_id, is_of_recipe(project_id))
    return (await session.scalars(query)).one_or_none()


async def list_stories(
    session: AsyncSession, project_id: str, wanted: StoryFilter, page: Page
) -> tuple[Sequence[Story], bool]:
    """Return a page of stories and whether there is more: in the run's order when one run is asked for."""
    query = select(Story).where(Story.project_id == project_id)
    if wanted.generation_id is None:  # who names a run has looked whether it is a recipe's
        query = query.where(is_of_recipe(project_id))
    if wanted.status is not None:
        query = query.where(has_status(wanted.status))
    if wanted.review is not None:
        query = query.where(Story.review.is_(None) if wanted.review == "none" else Story.review == wanted.review)
    if wanted.attributes:
        query = query.where(Story.attributes.contains(wanted.attributes))
    if wanted.generation_id is None:
        return await fetch_page(session, query, Story.id, page)
    position = None
    if page.after is not None:
        position = await session.scalar(select(Story.position).where(Story.id == page.after))
    query = query.where(Story.generation_id == wanted.generation_id)
    if wanted.from_position is not None:
        query = query.where(Story.position >= wanted.from_position)
    return await fetch_page(session, query, Story.position, page, position)


async def review_story(session: AsyncSession, story: Story, *, values: dict[str, Any]) -> None:
    """Set `review`, and `text` with its hash; the model's own text is kept when the text changes."""
    if "text" in values:
        values = {**values, "original_text": func.coalesce(Story.original_text, Story.text)}
    await session.execute(update(Story).where(Story.id == story.id).values(values))
    await session.refresh(story)


async def list_attempts(session: AsyncSession, story_id: str) -> Sequence[Attempt]:
    """Return the upstream calls made for a story, oldest first."""
    query = select(Attempt).where(Attempt.subject_id == story_id).order_by(Attempt.number)
    return (await session.scalars(query)).all()


async def iterate_succeeded(
    open_transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    generation_id: str,
    reviews: Collection[str] = (),
) -> AsyncIterator[Sequence[Story]]:
    """Yield a run's finished stories in its order, in batches: each a short transaction of its own, so that a slow
    reader holds none open. `reviews`: only those that got one of these verdicts."""
    position = -1
    query = select(Story).where(Story.generation_id == generation_id, Story.status == "succeeded")
    if reviews:
        query = query.where(Story.review.in_(reviews))
    while True:
        async with open_transaction() as session:
            batch = (
                await session.scalars(
                    query.where(Story.position > position).order_by(Story.position).limit(EXPORT_BATCH)
                )
            ).all()
        if batch:
            yield batch
            position = batch[-1].position
        if len(batch) < EXPORT_BATCH:
            return


@dataclass(frozen=True, slots=True)
class StoriesSize:
    """How much a run's finished stories are: their number, the characters of the longest text or of its attributes, and
    the bytes of all."""

    stories: int
    longest: int
    text_bytes: int


async def measure_succeeded(session: AsyncSession, generation_id: str) -> StoriesSize:
    """Measure what an export of a run would hold."""
    attributes = cast(Story.attributes, Text)
    longest = func.greatest(func.max(func.length(Story.text)), func.max(func.length(attributes)))
    text_bytes = func.sum(func.octet_length(Story.text) + func.octet_length(attributes))
    query = select(func.count(), func.coalesce(longest, 0), func.coalesce(text_bytes, 0))
    found = (
        await session.execute(query.where(Story.generation_id == generation_id, Story.status == "succeeded"))
    ).one()
    return StoriesSize(*map(int, found))


@dataclass(frozen=True, slots=True)
class TokenHistory:
    """What finished stories took: means and standard deviations of their tokens."""

    stories: int
    prompt_mean: float
    prompt_deviation: float
    completion_mean: float
    completion_deviation: float


async def find_token_history(
    session: AsyncSession, project_id: str, recipe_version_id: str, model: str
) -> TokenHistory | None:
    """Return what the latest stories of a recipe version and model took; None when there are too few."""
    latest = (
        select(Story.prompt_tokens, Story.completion_tokens)
        .join(Generation, Generation.id == Story.generation_id)
        .where(
            Generation.project_id == project_id,
            Generation.recipe_version_id == recipe_version_id,
            Generation.model == model,
            Story.status == "succeeded",
            Story.completion_tokens.is_not(None),
        )
        .order_by(Story.id.desc())
        .limit(HISTORY_STORIES)
        .subquery()
    )
    prompt, completion = latest.c.prompt_tokens, latest.c.completion_tokens
    row = (
        await session.execute(
            select(
                func.count(),
                func.coalesce(func.avg(prompt), 0),
                func.coalesce(func.stddev_samp(prompt), 0),
                func.coalesce(func.avg(completion), 0),
                func.coalesce(func.stddev_samp(completion), 0),
            ).select_from(latest)
        )
    ).one()
    return TokenHistory(row[0], *(float(value) for value in row[1:])) if row[0] >= ENOUGH_STORIES else None
