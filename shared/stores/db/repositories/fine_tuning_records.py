"""What a fine-tuning job leaves behind, one row at a time: changes, events, metrics, checkpoints.

For the gateway, which records the beginning, and the workers, who record the rest. Knows no provider."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.clock import utc_now
from shared.stores.db.models import (
    FineTuningChange,
    FineTuningCheckpoint,
    FineTuningEvent,
    FineTuningJob,
    FineTuningMetric,
)

ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. Without `upstream_id` it is our own, and `data["code"]` says which."""

    message: str
    level: str = "info"
    type: str = "message"
    data: dict[str, Any] | None = None
    upstream_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)


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


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A model of a step."""

    step_number: int
    model: str
    metrics: dict[str, Any]
    upstream_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)


MEASURES: Final = tuple(item.name for item in fields(NewMetric) if item.name != "step")


async def lock_job(session: AsyncSession, job_id: str) -> None:
    """Until the end of the transaction nobody else adds to the job's rows."""
    await session.execute(text("select 1 from fine_tuning_job where id = :id for update"), {"id": job_id})


async def append_events(session: AsyncSession, job_id: str, events: Sequence[NewEvent]) -> int:
    """Append what is new of `events`, numbered without a gap; return how many that were.

    Events of the provider are told apart by their id, so handing in the same ones again changes nothing."""
    if not events:
        return 0
    await lock_job(session, job_id)
    fresh = await _leave_out_known(session, job_id, events)
    last = await session.scalar(select(func.max(FineTuningEvent.position)).where(FineTuningEvent.job_id == job_id))
    rows = [_event_row(job_id, position, event) for position, event in enumerate(fresh, start=(last or 0) + 1)]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        await session.execute(insert(FineTuningEvent), rows[start : start + ROWS_AT_ONCE])
    return len(rows)


async def _leave_out_known(session: AsyncSession, job_id: str, events: Iterable[NewEvent]) -> list[NewEvent]:
    told = [event.upstream_id for event in events if event.upstream_id is not None]
    known: set[str | None] = set()
    if told:
        query = select(FineTuningEvent.upstream_id).where(
            FineTuningEvent.job_id == job_id, FineTuningEvent.upstream_id.in_(told)
        )
        known = set((await session.scalars(query)).all())
    fresh = []
    for event in events:
        if event.upstream_id is None or event.upstream_id not in known:
            fresh.append(event)
            known.add(event.upstream_id)
    return fresh


def _event_row(job_id: str, position: int, event: NewEvent) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "position": position,
        "id": ids.new_id(ids.FINE_TUNING_EVENT),
        "upstream_id": event.upstream_id,
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": event.data,
        "created_at": event.created_at,
    }


async def find_upstream_event_ids(session: AsyncSession, job_id: str) -> set[str]:
    """Return the provider's ids of the events that we have."""
    query = select(FineTuningEvent.upstream_id).where(
        FineTuningEvent.job_id == job_id, FineTuningEvent.upstream_id.is_not(None)
    )
    return {found for found in (await session.scalars(query)).all() if found is not None}


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


async def record_checkpoints(session: AsyncSession, job_id: str, checkpoints: Iterable[NewCheckpoint]) -> None:
    """Write checkpoints, one per step; the last word on a step counts."""
    for checkpoint in checkpoints:
        await record_checkpoint(session, job_id, checkpoint)


async def record_checkpoint(session: AsyncSession, job_id: str, checkpoint: NewCheckpoint) -> None:
    """Write a checkpoint; one of the same step is replaced but keeps its id."""
    values = {
        "upstream_id": checkpoint.upstream_id,
        "model": checkpoint.model,
        "metrics": checkpoint.metrics,
        "created_at": checkpoint.created_at,
    }
    statement = insert(FineTuningCheckpoint).values(
        id=ids.new_id(ids.FINE_TUNING_CHECKPOINT), job_id=job_id, step_number=checkpoint.step_number, **values
    )
    await session.execute(statement.on_conflict_do_update(index_elements=["job_id", "step_number"], set_=values))


async def write_change(
    session: AsyncSession, job_id: str, *, from_status: str | None, to_status: str, by: str, reason: str
) -> None:
    """Note a change of status; the job's row is locked."""
    query = select(func.max(FineTuningChange.position)).where(FineTuningChange.job_id == job_id)
    last = await session.scalar(query)
    session.add(
        FineTuningChange(
            job_id=job_id,
            position=(last or 0) + 1,
            from_status=from_status,
            to_status=to_status,
            changed_by=by,
            reason=reason,
        )
    )
    await session.flush()


async def change_status(
    session: AsyncSession, job: FineTuningJob, to: str, *, by: str, reason: str, values: Mapping[str, Any] | None = None
) -> None:
    """Change the status of a job whose row this transaction has locked, and note who did it and why.
    `values` are further columns to set. Nothing is noted where the status stays."""
    from_status, changes = job.status, dict(values or {})
    if from_status != to:
        changes |= {"status": to}
        if to == "running" and job.started_at is None:
            changes["started_at"] = utc_now()
        await write_change(session, job.id, from_status=from_status, to_status=to, by=by, reason=reason)
    if changes:
        await session.execute(update(FineTuningJob).where(FineTuningJob.id == job.id).values(**changes))
        await session.refresh(job)


async def write_job(session: AsyncSession) -> None:
    """Write now what was changed of the jobs of this transaction, for statements that read it."""
    await session.flush()
