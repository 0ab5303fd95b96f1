"""What models cost so far, and how large their calls are: read from the books, for the break-even."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import (
    Attempt,
    DatasetVersion,
    LedgerEntry,
    Model,
    ModelComparison,
    ModelEvaluation,
)

NOTHING: Final = Decimal(0)
MEASURING: Final = (ids.MODEL_EVALUATION, ids.MODEL_COMPARISON)
"""Whose calls the mill makes to measure a model."""


@dataclass(frozen=True, slots=True)
class BookedCost:
    """A sum; None when a part of it has no price, and `note` says why."""

    usd: Decimal | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class AverageCall:
    """The calls of a model in a period."""

    calls: int
    prompt_tokens: int
    completion_tokens: int


async def sum_training(session: AsyncSession, line: Sequence[Model]) -> BookedCost:
    """Return what the trainings of a model and its ancestors cost."""
    jobs = {model.job_id for model in line}
    booked = (LedgerEntry.fine_tuning_job_id.in_(jobs), LedgerEntry.kind == "training")
    count = await session.scalar(select(func.count(LedgerEntry.fine_tuning_job_id.distinct())).where(*booked))
    if count != len(jobs):
        return BookedCost(None, "a training is not on the books")
    return read_sum((await session.execute(select_sum().where(*booked))).one())


async def sum_data(session: AsyncSession, line: Sequence[Model]) -> BookedCost:
    """Return what the stories in their datasets cost; a model of plain files has no known data cost."""
    versions = {model.dataset_version_id for model in line}
    if None in versions:
        return BookedCost(None, "a training file was not made by a dataset of this mill: give data_usd")
    query = select(DatasetVersion.cost_usd).where(DatasetVersion.id.in_(versions))
    costs = (await session.scalars(query)).all()
    if any(cost is None for cost in costs):
        return BookedCost(None, "the stories of a dataset have no known price: give data_usd")
    return BookedCost(sum((cost for cost in costs if cost is not None), NOTHING))


async def sum_evaluation(session: AsyncSession, project_id: str, line: Sequence[Model]) -> BookedCost:
    """Return what was paid for evaluations and comparisons of these models."""
    names = [model.name for model in line]
    subjects = (
        select(ModelEvaluation.id)
        .where(ModelEvaluation.project_id == project_id, ModelEvaluation.model.in_(names))
        .union(
            select(ModelComparison.id).where(
                ModelComparison.project_id == project_id,
                or_(ModelComparison.model.in_(names), ModelComparison.against.in_(names)),
            )
        )
    )
    query = (
        select_sum()
        .join(Attempt, Attempt.id == LedgerEntry.attempt_id)
        .where(LedgerEntry.project_id == project_id, Attempt.subject_id.in_(subjects))
    )
    return read_sum((await session.execute(query)).one())


async def find_average_call(session: AsyncSession, project_id: str, model: str, start: datetime) -> AverageCall | None:
    """Return the mean size of a project's calls of a model since then, None when there was none. Calls that the mill
    made to measure the model are left out: evaluations score long rows and write nothing."""
    measuring = or_(*(Attempt.subject_id.startswith(prefix, autoescape=True) for prefix in MEASURING))
    measured = select(Attempt.id).where(Attempt.id == LedgerEntry.attempt_id, measuring)
    query = select(func.count(), func.avg(LedgerEntry.prompt_tokens), func.avg(LedgerEntry.completion_tokens)).where(
        LedgerEntry.project_id == project_id,
        LedgerEntry.model == model,
        LedgerEntry.kind == "inference",
        LedgerEntry.created_at >= start,
        LedgerEntry.prompt_tokens.is_not(None),
        LedgerEntry.completion_tokens.is_not(None),
        ~measured.exists(),
    )
    calls, prompt, completion = (await session.execute(query)).one()
    return AverageCall(calls, round(prompt), round(completion)) if calls else None


async def count_learned_rows(session: AsyncSession, model_id: str) -> int | None:
    """Return how many rows a tuned model learned last, where they were a dataset's."""
    query = (
        select(DatasetVersion.train_rows)
        .join(Model, Model.dataset_version_id == DatasetVersion.id)
        .where(Model.id == model_id)
    )
    return (await session.scalars(query)).one_or_none()


def select_sum() -> Select[Decimal | None, int, str | None]:
    """Return the sum of entries, how many have no price, and one reason."""
    unpriced = LedgerEntry.cost_usd.is_(None)
    return select(
        func.coalesce(func.sum(LedgerEntry.cost_usd), 0),
        func.count().filter(unpriced),
        func.min(LedgerEntry.price_note).filter(unpriced),
    )


def read_sum(row: Any) -> BookedCost:
    """Return the sum, or why there is none."""
    usd, unpriced, note = row
    return BookedCost(None, note) if unpriced else BookedCost(usd)
