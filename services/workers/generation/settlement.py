"""Write what came back: text or failure, outcome, cost and counters in one transaction, guarded by the attempt.

A late answer (its worker lost the row) is kept if the row is still empty, else booked as superseded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.retry_policy import find_wait
from services.workers.generation.run import Run
from services.workers.generation.story_call import CallResult
from shared.db.recordset import without_nul
from shared.db.repositories.attempts import Outcome, SettledAttempt, count_failures, settle_attempts
from shared.db.repositories.generation_progress import ZERO_USD, Progress, add_progress
from shared.db.repositories.ledger import LedgerLine, book_attempts
from shared.db.repositories.story_results import LockedAttempt, StoryWrite, lock_attempts, write_stories
from shared.llm.answers import LlmAnswer
from shared.llm.failures import FailureClass, LlmError

LONGEST_MESSAGE_CHARACTERS: Final = 2_000
LONGEST_ID_CHARACTERS: Final = 200
LARGEST_TOKEN_COUNT: Final = 2**31 - 1
"""What the columns hold; a provider that counts more is talking nonsense."""
EMPTY_ROW: Final = frozenset({"queued", "running"})
"""States in which a row still waits for its text."""

NOT_THE_ROWS_FAULT: Final = frozenset({FailureClass.CANCELLED, FailureClass.QUOTA_EXHAUSTED})
"""The worker stops, or the run is paused for want of credit: the row waits for better times."""


@dataclass(slots=True)
class Settlement:
    """The writes of one batch."""

    stories: list[StoryWrite] = field(default_factory=list)
    attempts: list[SettledAttempt] = field(default_factory=list)
    ledger: list[LedgerLine] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)


async def settle_results(session: AsyncSession, run: Run, results: Sequence[CallResult]) -> None:
    """Write a batch. Doing it again after a commit whose answer was lost changes nothing."""
    locked = await lock_attempts(session, [result.call.attempt_id for result in results])
    failed = [result.call.story_id for result in results if result.error is not None]
    failures = await count_failures(session, failed) if failed else {}
    settlement = plan_settlement(run, results, locked, failures)
    await write_stories(session, settlement.stories)
    await settle_attempts(session, settlement.attempts)
    await book_attempts(session, settlement.ledger)
    await add_progress(session, run.order.id, settlement.progress)


def plan_settlement(
    run: Run,
    results: Sequence[CallResult],
    locked: dict[str, LockedAttempt],
    failures: dict[tuple[str, str], int],
) -> Settlement:
    """Decide what becomes of each row and each call. `failures`: earlier failed calls by story and class."""
    settlement = Settlement()
    for result in results:
        attempt = locked.get(result.call.attempt_id)
        if attempt is None or attempt.is_settled:
            continue
        cost = find_cost(run, result)
        if result.error is None and result.answer is not None:
            outcome = _settle_answer(settlement, attempt, result.answer, cost)
        else:
            assert result.error is not None
            outcome = "failed"
            earlier = failures.get((attempt.story_id, result.error.failure_class.value), 0)
            _settle_failure(settlement, result, attempt, result.error, earlier)
        _book(settlement, run, result, attempt, outcome, cost)
    return settlement


def find_cost(run: Run, result: CallResult) -> Decimal | None:
    """Return what a call cost; without usage the reserved worst case, None when no price is known."""
    error = result.error
    if result.answer is None and error is not None and not error.failure_class.may_be_charged:
        return ZERO_USD
    if result.answer is None:
        return result.call.reserved_usd
    cost = run.quote.cost(clamp(result.answer.prompt_tokens), clamp(result.answer.completion_tokens))
    return result.call.reserved_usd if cost is None else cost


def _settle_answer(settlement: Settlement, attempt: LockedAttempt, answer: LlmAnswer, cost: Decimal | None) -> Outcome:
    if attempt.story_status not in EMPTY_ROW:
        return "superseded"
    text = without_nul(answer.text)
    settlement.stories.append(
        StoryWrite(
            attempt.story_id,
            "succeeded",
            text=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            finish_reason=shorten(answer.finish_reason, 32),
            model=shorten(answer.model, LONGEST_ID_CHARACTERS),
            prompt_tokens=clamp(answer.prompt_tokens),
            completion_tokens=clamp(answer.completion_tokens),
            cost_usd=cost,
        )
    )
    settlement.progress.succeeded += 1
    settlement.progress.running -= attempt.story_status == "running"
    return "succeeded"


def _settle_failure(
    settlement: Settlement, result: CallResult, attempt: LockedAttempt, error: LlmError, earlier: int
) -> None:
    if attempt.story_status != "running" or attempt.story_attempt != result.call.number:
        return  # somebody else owns the row, or it is queued already
    settlement.progress.running -= 1
    if error.failure_class in NOT_THE_ROWS_FAULT:
        settlement.stories.append(StoryWrite(attempt.story_id, "queued"))
        return
    wait_seconds = find_wait(error.failure_class, earlier + 1, error.retry_after_seconds)
    if wait_seconds is not None:
        settlement.stories.append(StoryWrite(attempt.story_id, "queued", wait_seconds=wait_seconds))
        return
    settlement.progress.failed += 1
    settlement.stories.append(
        StoryWrite(
            attempt.story_id,
            "failed",
            finish_reason=shorten(result.answer.finish_reason, 32) if result.answer else None,
            failure_class=error.failure_class.value,
            failure_message=shorten(error.message, LONGEST_MESSAGE_CHARACTERS),
        )
    )


def _book(
    settlement: Settlement,
    run: Run,
    result: CallResult,
    attempt: LockedAttempt,
    outcome: Outcome,
    cost: Decimal | None,
) -> None:
    answer, error = result.answer, result.error
    prompt_tokens = clamp(answer.prompt_tokens) if answer else None
    completion_tokens = clamp(answer.completion_tokens) if answer else None
    request_id = answer.request_id if answer else error.request_id if error else None
    settlement.attempts.append(
        SettledAttempt(
            attempt.id,
            outcome,
            cost,
            failure_class=error.failure_class.value if error else None,
            upstream_request_id=shorten(request_id, LONGEST_ID_CHARACTERS),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        )
    )
    if answer is not None or (error is not None and error.failure_class.may_be_charged) or attempt.outcome == "unknown":
        settlement.ledger.append(LedgerLine(attempt.id, run.order.api_key_id, run.quote.note))
    _count_money(settlement.progress, attempt, cost)
    settlement.progress.prompt_tokens += prompt_tokens or 0
    settlement.progress.completion_tokens += completion_tokens or 0


def _count_money(progress: Progress, attempt: LockedAttempt, cost: Decimal | None) -> None:
    if attempt.outcome == "unknown":  # charged already, with the worst case: correct it
        progress.spent_usd -= attempt.spent_usd or ZERO_USD
    else:
        progress.reserved_usd -= attempt.reserved_usd or ZERO_USD
    progress.spent_usd += cost or ZERO_USD
    progress.cost_known = progress.cost_known and cost is not None


def shorten(value: str | None, characters: int) -> str | None:
    """Return a provider's text as a column takes it."""
    return without_nul(str(value))[:characters] if value is not None else None


def clamp(count: int | None) -> int | None:
    """Return a provider's token count as a column takes it."""
    return None if count is None else min(count, LARGEST_TOKEN_COUNT)
