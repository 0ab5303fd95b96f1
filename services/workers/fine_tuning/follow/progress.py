"""What a poll brought, written in one transaction: status, events, metrics, checkpoints, cost, alarms, budget."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.ending import find_cost
from services.workers.fine_tuning.follow.alarms import find_alarms
from services.workers.fine_tuning.follow.life_cycle import repeats_ours
from services.workers.fine_tuning.upstream.metric_names import read_metric
from services.workers.fine_tuning.upstream.provider import UpstreamCheckpoint, UpstreamEvent, UpstreamJob
from shared.clock import utc_now
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_changes import change_status, was_changed_by
from shared.stores.db.repositories.fine_tuning_checkpoints import NewCheckpoint, record_checkpoints
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_metrics import record_metrics
from shared.stores.db.repositories.fine_tuning_steps import note_wish, write_columns
from shared.texts.amounts import format_usd

BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Poll:
    """A job at its provider, and what was not known of it before. Events are in the order of the story."""

    job: UpstreamJob
    events: Sequence[UpstreamEvent] = field(default=())
    checkpoints: Sequence[UpstreamCheckpoint] = field(default=())


async def enter_status(session: AsyncSession, job: FineTuningJob, status: str) -> None:
    """Follow the provider's status, and tell the start of training. A wish that led here is named as the cause."""
    if status == job.status:
        return
    is_start = status == "running" and job.started_at is None
    by, reason = "provider", "the provider says so"
    values = {}
    if job.wanted is not None and (job.wanted, status) in {
        ("pause", "paused"),
        ("resume", "queued"),
        ("resume", "running"),
    }:
        by = job.wanted_by or by
        reason = explain_wish(job)
        values = {"wanted": None, "wanted_by": None}
    await change_status(session, job, status, by=by, reason=reason, values=values)
    if is_start:
        await append_events(session, job.id, [NewEvent("Fine-tuning job started", data={"code": "started"})])


def explain_wish(job: FineTuningJob) -> str:
    """Return the reason of a change that somebody wanted."""
    if job.wanted_by == BUDGET:
        return f"the cost so far ({format_usd(job.cost_usd)}) has come to the budget ({format_usd(job.budget_usd)})"
    return "asked for by a client"


async def record_poll(session: AsyncSession, job: FineTuningJob, poll: Poll) -> None:
    """Write all that a poll brought, except the end; the job's row is locked by this transaction."""
    upstream = poll.job
    metrics = [metric for event in poll.events if (metric := read_metric(event.data)) is not None]
    if upstream.status not in FINE_TUNING_JOB.repeatable:
        await enter_status(session, job, "running" if upstream.status == "succeeded" else upstream.status)
    await append_events(session, job.id, [copy_event(event, upstream) for event in poll.events])
    await record_metrics(session, job.id, metrics)
    await record_checkpoints(session, job.id, [copy_checkpoint(item) for item in poll.checkpoints])
    elapsed = [metric.elapsed_tokens for metric in metrics if metric.elapsed_tokens is not None]
    known = [count for count in (upstream.trained_tokens, job.trained_tokens, *elapsed) if count is not None]
    trained_tokens = max(known) if known else None
    await write_columns(
        session,
        job,
        upstream_model=upstream.fine_tuned_model or job.upstream_model,
        hyperparameters=upstream.hyperparameters or job.hyperparameters,
        estimated_finish=upstream.estimated_finish,
        trained_tokens=trained_tokens,
        cost_usd=find_cost(job, trained_tokens, utc_now()) if job.started_at else job.cost_usd,
    )
    await append_events(session, job.id, await find_alarms(session, job.id, poll.events))
    if upstream.status == "running":
        await hold_budget(session, job)


async def hold_budget(session: AsyncSession, job: FineTuningJob) -> None:
    """Have a job paused that has cost as much as it may; once: whoever resumes it then lifts the budget."""
    if job.budget_usd is None or job.cost_usd is None or job.cost_usd < job.budget_usd or job.wanted is not None:
        return
    if not await was_changed_by(session, job.id, BUDGET):
        await note_wish(session, job, "pause", BUDGET)
        spent = f"The cost so far ({format_usd(job.cost_usd)})"
        message = f"{spent} has come to the budget ({format_usd(job.budget_usd)}): the job is paused"
        await append_events(session, job.id, [NewEvent(message, level="warn", data={"code": BUDGET})])


def copy_event(event: UpstreamEvent, job: UpstreamJob) -> NewEvent:
    """Return a provider's event as ours."""
    is_repeat = repeats_ours(event, job)
    return NewEvent(event.message, event.level, event.type, event.data, event.id, event.created_at, is_repeat)


def copy_checkpoint(checkpoint: UpstreamCheckpoint) -> NewCheckpoint:
    """Return a provider's checkpoint as ours."""
    return NewCheckpoint(
        checkpoint.step_number, checkpoint.model, checkpoint.metrics, checkpoint.id, checkpoint.created_at
    )
