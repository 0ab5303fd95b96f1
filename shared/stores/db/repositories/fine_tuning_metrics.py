"""What the steps of a fine-tuning job measured: written as it becomes known, read as a curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import FineTuningMetric
from shared.stores.db.repositories.pages import Page, fetch_page

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewMetric:
    """What a step measured, or a part of it: None is not known."""

    step: int
    elapsed_tokens: int | None = None
    elapsed_examples: int | None = None
    train_loss: float | None = None
    train_sequence_accuracy: float | None = None
    train_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_sequence_accuracy: float | None = None
    valid_token_accuracy: float | None = None
    learning_rate: float | None = None


MEASURES: Final = tuple(item.name for item in fields(NewMetric) if item.name != "step")


async def record_metrics(session: AsyncSession, job_id: str, metrics: Iterable[NewMetric]) -> None:
    """Write what steps measured. A later value fills or replaces an earlier one; None leaves what is there."""
    merged: dict[int, dict[str, Any]] = {}
    for metric in metrics:
        row = merged.setdefault(metric.step, {"job_id": job_id, "step": metric.step} | dict.fromkeys(MEASURES))
        row |= {name: getattr(metric, name) for name in MEASURES if getattr(metric, name) is not None}
    rows = list(merged.values())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        statement = insert(FineTuningMetric).values(rows[start : start + ROWS_AT_ONCE])
        kept = {
            name: func.coalesce(getattr(statement.excluded, name), getattr(FineTuningMetric, name)) for name in MEASURES
        }
        await session.execute(statement.on_conflict_do_update(index_elements=["job_id", "step"], set_=kept))


async def read_metrics(session: AsyncSession, job_id: str) -> Sequence[FineTuningMetric]:
    """Return everything that a job measured, in the order of its steps."""
    query = select(FineTuningMetric).where(FineTuningMetric.job_id == job_id).order_by(FineTuningMetric.step)
    return (await session.scalars(query)).all()


async def list_metrics(
    session: AsyncSession, job_id: str, after_step: int | None = None, limit: int = 1_000
) -> tuple[Sequence[FineTuningMetric], bool]:
    """Return what the steps past `after_step` measured, and whether there is more."""
    query = select(FineTuningMetric).where(FineTuningMetric.job_id == job_id)
    return await fetch_page(session, query, FineTuningMetric.step, Page(limit, descending=False), after_step)


async def read_validation_losses(session: AsyncSession, job_id: str) -> list[tuple[int, float]]:
    """Return (step, loss) wherever a job was validated, in the order of its steps."""
    query = (
        select(FineTuningMetric.step, FineTuningMetric.valid_loss)
        .where(FineTuningMetric.job_id == job_id, FineTuningMetric.valid_loss.is_not(None))
        .order_by(FineTuningMetric.step)
    )
    return [(step, loss) for step, loss in await session.execute(query) if loss is not None]
