"""What the worker that holds a fine-tuning job writes on its row: the next step, what the provider told, what is
wanted no more. Every function takes a row that the transaction has locked, and has written it when it returns."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import FineTuningJob


async def enter_step(session: AsyncSession, job: FineTuningJob, step: str, **values: Any) -> None:
    """Go on to a step, which has not failed yet; `values` are further columns to set."""
    await write_columns(session, job, step=step, tries=0, not_before=None, **values)


async def write_columns(session: AsyncSession, job: FineTuningJob, **values: Any) -> None:
    """Set columns. The status is changed by `change_status`, which notes who did it."""
    for name, value in values.items():
        setattr(job, name, value)
    await session.flush()


async def note_wish(session: AsyncSession, job: FineTuningJob, wanted: str, by: str) -> None:
    """Have something done with the job at its provider."""
    await write_columns(session, job, wanted=wanted, wanted_by=by)


async def forget_wish(session: AsyncSession, job: FineTuningJob) -> None:
    """What was wanted is done, or cannot be done."""
    await write_columns(session, job, wanted=None, wanted_by=None)
