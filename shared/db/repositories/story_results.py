"""What became of claimed stories. Written under locks on attempt and story, so that of two workers with an answer
for one row the first wins and the second learns it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.recordset import encode_rows


@dataclass(frozen=True, slots=True)
class LockedAttempt:
    """A call and its row as they stand now; nobody else changes them before the commit."""

    id: str
    outcome: str
    reserved_usd: Decimal | None
    spent_usd: Decimal | None
    story_id: str
    story_status: str
    story_attempt: int

    @property
    def is_settled(self) -> bool:
        """Whether its outcome is on the books already (an earlier commit whose answer was lost)."""
        return self.outcome not in {"sent", "unknown"}


@dataclass(frozen=True, slots=True)
class StoryWrite:
    """The new state of a row: `succeeded` with its text, `failed` with the reason, or `queued` for another try."""

    id: str
    status: Literal["succeeded", "failed", "queued"]
    text: str | None = None
    sha256: str | None = None
    finish_reason: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: Decimal | None = None
    failure_class: str | None = None
    failure_message: str | None = None
    wait_seconds: float | None = None
    """A queued row is not claimed again before so much time has passed."""


LOCK_ATTEMPTS: Final = text("""
    select attempt.id, attempt.outcome, attempt.reserved_usd, attempt.spent_usd, story.id, story.status, story.attempt
    from attempt join story on story.id = attempt.subject_id
    where attempt.id = any(:attempt_ids)
    order by story.id, attempt.id
    for update
""")

WRITE_STORIES: Final = text("""
    update story
    set status = rows.status, text = rows.text, sha256 = rows.sha256, finish_reason = rows.finish_reason,
        model = rows.model, prompt_tokens = rows.prompt_tokens, completion_tokens = rows.completion_tokens,
        cost_usd = rows.cost_usd, failure_class = rows.failure_class, failure_message = rows.failure_message,
        worker_id = null, lease_until = null, not_before = now() + make_interval(secs => rows.wait_seconds),
        finished_at = case when rows.status <> 'queued' then now() end
    from json_to_recordset(cast(:rows as json)) as rows (
        id text, status text, text text, sha256 text, finish_reason text, model text, prompt_tokens int,
        completion_tokens int, cost_usd numeric, failure_class text, failure_message text, wait_seconds float8)
    where story.id = rows.id
""")

FAIL_UNSENT: Final = text("""
    update story
    set status = 'failed', failure_class = rows.failure_class, failure_message = rows.failure_message,
        finished_at = now()
    from json_to_recordset(cast(:rows as json)) as rows (id text, failure_class text, failure_message text)
    where story.id = rows.id
""")


async def lock_attempts(session: AsyncSession, attempt_ids: Sequence[str]) -> dict[str, LockedAttempt]:
    """Lock calls and their rows (always in the same order: no deadlocks) and return how they stand."""
    found = await session.execute(LOCK_ATTEMPTS, {"attempt_ids": list(attempt_ids)})
    return {row[0]: LockedAttempt(*row) for row in found}


async def write_stories(session: AsyncSession, writes: Sequence[StoryWrite]) -> None:
    """Write locked rows."""
    if writes:
        await session.execute(WRITE_STORIES, {"rows": encode_rows(writes)})


async def fail_unsent_stories(session: AsyncSession, failures: Sequence[dict[str, Any]]) -> None:
    """Fail locked rows for which no call can be made (`id`, `failure_class`, `failure_message`)."""
    if failures:
        await session.execute(FAIL_UNSENT, {"rows": encode_rows(failures)})
