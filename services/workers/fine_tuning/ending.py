"""The end of a job: status, reason, books, webhooks and last event, in the caller's one transaction."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import utc_now
from shared.outside.prices.training import training_cost
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_changes import change_status
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.outbox import add_webhook_events
from shared.stores.db.repositories.training_books import book_training

LAST_WORDS: Final = {
    "succeeded": "The job has successfully completed",
    "cancelled": "Fine-tuning job cancelled",
}
OUTCOMES: Final = {"succeeded": "succeeded", "failed": "failed", "cancelled": "failed"}


@dataclass(frozen=True, slots=True)
class JobFinish:
    """How a job ends, and who ended it."""

    status: str
    by: str
    reason: str
    error: dict[str, Any] | None = None
    details: tuple[str, ...] = ()
    outcome_known: bool = True
    """False when a call that makes the job may have left and nobody knows what became of it."""


async def end_job(session: AsyncSession, job: FineTuningJob, ending: JobFinish, **values: Any) -> None:
    """End a job whose row this transaction has locked."""
    moment = utc_now()
    cost = find_final_cost(job, moment) if ending.outcome_known else None
    await append_events(session, job.id, describe_end(job, ending))
    await change_status(
        session,
        job,
        ending.status,
        by=ending.by,
        reason=ending.reason,
        values={
            "step": "done",
            "error": ending.error,
            "wanted": None,
            "wanted_by": None,
            "worker_id": None,
            "lease_until": None,
            "not_before": None,
            "tries": 0,
            "estimated_finish": None,
            "finished_at": moment,
            "cost_usd": cost,
            **values,
        },
    )
    outcome = OUTCOMES[ending.status] if ending.outcome_known else "unknown"
    await book_training(session, job, job.trained_tokens or 0, cost, find_price_note(job), outcome=outcome)
    await add_webhook_events(session, job.project_id, f"fine_tuning.job.{ending.status}", {"id": job.id})


def describe_end(job: FineTuningJob, ending: JobFinish) -> list[NewEvent]:
    """Return the last events."""
    words = LAST_WORDS.get(ending.status) or str((ending.error or {}).get("message") or ending.reason)
    level = "error" if ending.status == "failed" else "info"
    details = [NewEvent(detail, level="error", data={"code": "problem"}) for detail in ending.details]
    return [*details, NewEvent(words, level=level, data={"code": ending.status})]


def find_final_cost(job: FineTuningJob, now: datetime) -> Decimal | None:
    """Return what a job cost in all; a job that its provider never ran costs nothing."""
    if job.started_at is None and not job.trained_tokens:
        return Decimal(0)
    return find_cost(job, job.trained_tokens, now)


def find_cost(job: FineTuningJob, trained_tokens: int | None, now: datetime) -> Decimal | None:
    """Return what a job cost that has trained so much, at the price of its start; None when that is not known."""
    if job.estimate is None:
        return None
    seconds = (now - job.started_at).total_seconds() if job.started_at else 0.0
    return training_cost(job.estimate, trained_tokens or 0, seconds)


def find_price_note(job: FineTuningJob) -> str:
    """Return where the price came from."""
    return str((job.estimate or {}).get("price", {}).get("note") or "the job ended before its price was asked for")
