"""Trainings on the books: one attempt and one ledger entry a job, and how fast a provider trained so far."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import Attempt, FineTuningJob

TRAINING: Final = "training"
MOST_COUNTED: Final = 2**31 - 1
"""What the books' columns of tokens hold."""
JOBS_LOOKED_AT: Final = 20

OPEN_ATTEMPT: Final = text("""
    insert into attempt (id, project_id, subject_id, kind, number, worker_id, provider, model, reserved_usd, outcome)
    values (:id, :project_id, :job_id, 'training', 1, :worker_id, :provider, :model, :reserved_usd, 'sent')
    on conflict (subject_id, number) do nothing
""")

SETTLE_ATTEMPT: Final = text("""
    update attempt
    set outcome = :outcome, spent_usd = :cost_usd, prompt_tokens = :tokens, upstream_request_id = :upstream_job_id,
        finished_at = now()
    where subject_id = :job_id and number = 1 and kind = 'training'
    returning id
""")

BOOK_TRAINING: Final = text("""
    insert into ledger_entry (id, project_id, api_key_id, attempt_id, kind, fine_tuning_job_id, provider, model,
                              prompt_tokens, completion_tokens, cost_usd, price_note)
    values (:id, :project_id, :api_key_id, :attempt_id, 'training', :job_id, :provider, :model, :tokens, 0,
            :cost_usd, :note)
    on conflict (attempt_id) do update
    set prompt_tokens = excluded.prompt_tokens, cost_usd = excluded.cost_usd, price_note = excluded.price_note
""")

TRAINING_SPEED: Final = text("""
    select percentile_cont(0.5) within group (order by seconds * 1e6 / trained_tokens)
    from (
        select extract(epoch from finished_at - started_at) as seconds, trained_tokens
        from fine_tuning_job
        where provider = :provider and status = 'succeeded' and trained_tokens > 0 and started_at is not null
              and (cast(:base_model as text) is null or base_model = :base_model)
        order by id desc limit :most
    ) as jobs
""")


async def open_training_attempt(
    session: AsyncSession, job: FineTuningJob, worker_id: str, reserved_usd: Decimal | None = None
) -> None:
    """Put a training on the books, once; commit before the upstream job is made."""
    await session.execute(
        OPEN_ATTEMPT,
        {
            "id": ids.new_id(ids.ATTEMPT),
            "project_id": job.project_id,
            "job_id": job.id,
            "worker_id": worker_id,
            "provider": job.provider,
            "model": job.base_model,
            "reserved_usd": reserved_usd,
        },
    )


async def book_training(
    session: AsyncSession,
    job: FineTuningJob,
    trained_tokens: int | None,
    cost: Decimal | None,
    note: str,
    *,
    outcome: str = "succeeded",
) -> None:
    """Settle the job's attempt and enter its cost, with the note of the price that was quoted at its start. Called
    again it corrects the one entry. A job that never asked its provider leaves no entry."""
    tokens = None if trained_tokens is None else min(trained_tokens, MOST_COUNTED)
    settled = {
        "job_id": job.id,
        "outcome": outcome,
        "cost_usd": cost,
        "tokens": tokens,
        "upstream_job_id": job.upstream_job_id,
    }
    attempt_id = (await session.execute(SETTLE_ATTEMPT, settled)).scalar()
    if attempt_id is None:
        return
    entry = {
        "id": ids.new_id(ids.LEDGER_ENTRY),
        "project_id": job.project_id,
        "api_key_id": job.api_key_id,
        "attempt_id": attempt_id,
        "job_id": job.id,
        "provider": job.provider,
        "model": job.base_model,
        "tokens": tokens,
        "cost_usd": cost,
        "note": note,
    }
    await session.execute(BOOK_TRAINING, entry)


async def find_training_speed(session: AsyncSession, provider: str, base_model: str) -> float | None:
    """Return seconds per million trained tokens, the median of the provider's last jobs: of this base if there were
    any, else of all. None when it has trained nothing yet. A property of the provider, so of every project's jobs."""
    for base in (base_model, None):
        values = {"provider": provider, "base_model": base, "most": JOBS_LOOKED_AT}
        speed = (await session.execute(TRAINING_SPEED, values)).scalar()
        if speed is not None:
            return float(speed)
    return None


async def find_training_start(session: AsyncSession, job_id: str) -> datetime | None:
    """Return when the training was put on the books; None when nobody has tried to create it yet."""
    query = select(Attempt.started_at).where(Attempt.subject_id == job_id, Attempt.kind == "training")
    return (await session.scalars(query)).one_or_none()
