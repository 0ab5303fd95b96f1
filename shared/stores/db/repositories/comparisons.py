"""Comparisons of two models, their pairs of texts, and the votes on them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import Attempt, ComparisonPair, ModelComparison
from shared.stores.db.repositories.pages import Page, fetch_page


async def add_comparison(
    session: AsyncSession,
    *,
    project_id: str,
    api_key_id: str,
    model: str,
    against: str,
    prompts: Sequence[str],
    request: dict[str, Any],
) -> ModelComparison:
    """Insert a comparison as `queued`, with a pair for each prompt. Send its message after the commit."""
    row = ModelComparison(
        id=ids.new_id(ids.MODEL_COMPARISON),
        project_id=project_id,
        api_key_id=api_key_id,
        model=model,
        against=against,
        request=request,
        status="queued",
    )
    session.add(row)
    await session.flush()
    for position, prompt in enumerate(prompts):
        session.add(ComparisonPair(comparison_id=row.id, position=position, prompt=prompt))
    await session.flush()
    await session.refresh(row)
    return row


async def find_comparison(session: AsyncSession, project_id: str, comparison_id: str) -> ModelComparison | None:
    """Return a comparison of the project."""
    query = select(ModelComparison).where(ModelComparison.id == comparison_id, ModelComparison.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def get_comparison(session: AsyncSession, comparison_id: str) -> ModelComparison:
    """Return a comparison of whatever project, for the worker that holds it."""
    return await session.get_one(ModelComparison, comparison_id)


async def list_comparisons(
    session: AsyncSession, project_id: str, page: Page
) -> tuple[Sequence[ModelComparison], bool]:
    """Return a page of a project's comparisons and whether there is more."""
    query = select(ModelComparison).where(ModelComparison.project_id == project_id)
    return await fetch_page(session, query, ModelComparison.id, page)


async def list_pairs(session: AsyncSession, comparison_id: str) -> Sequence[ComparisonPair]:
    """Return the pairs in their order."""
    query = select(ComparisonPair).where(ComparisonPair.comparison_id == comparison_id)
    return (await session.scalars(query.order_by(ComparisonPair.position))).all()


async def write_pair(session: AsyncSession, comparison_id: str, position: int, values: dict[str, Any]) -> None:
    """Write texts or votes of a pair."""
    statement = update(ComparisonPair).where(
        ComparisonPair.comparison_id == comparison_id, ComparisonPair.position == position
    )
    await session.execute(statement.values(values))


async def lock_voting(session: AsyncSession, comparison: ModelComparison) -> bool:
    """Lock a comparison until the commit; False unless it waits for votes."""
    query = select(ModelComparison.status).where(ModelComparison.id == comparison.id).with_for_update()
    return await session.scalar(query) == "voting"


async def finish_voting(session: AsyncSession, comparison_id: str, result: dict[str, Any]) -> None:
    """Write the result once the last vote is in."""
    statement = update(ModelComparison).where(ModelComparison.id == comparison_id)
    await session.execute(statement.values(status="succeeded", result=result, finished_at=func.now()))


async def sum_cost(session: AsyncSession, subject_id: str) -> Decimal | None:
    """Return what the calls for a comparison or evaluation cost; None when a price is missing."""
    query = select(func.sum(Attempt.spent_usd), func.count().filter(Attempt.spent_usd.is_(None)))
    total, unpriced = (await session.execute(query.where(Attempt.subject_id == subject_id))).one()
    return None if unpriced else total or Decimal(0)
