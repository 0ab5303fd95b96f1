"""Write what came back: text or failure, outcome, cost and counters in one transaction, guarded by the attempt.

A late answer (its worker lost the row) is kept if the row is still empty, else booked as superseded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.near_texts import SignedTexts, refuse_near
from services.workers.generation.retry_policy import EXCUSED_WAIT_SECONDS, find_wait
from services.workers.generation.run import Run
from services.workers.generation.story_call import CallResult
from shared import ids
from shared.contracts.statuses import STORY
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.attempts import count_failures
from shared.stores.db.repositories.distinct_texts import take_texts
from shared.stores.db.repositories.generation_progress import ZERO_USD, Progress
from shared.stores.db.repositories.near_texts import lock_near_texts
from shared.stores.db.repositories.story_results import LockedAttempt, Payer, SettledCall, lock_attempts, settle_calls

NOT_THE_ROWS_FAULT: Final = frozenset({FailureClass.CANCELLED, FailureClass.QUOTA_EXHAUSTED})
"""The worker stops, or the provider wants money: the row waits for better times."""

FailureCounts = Mapping[tuple[str, str], int]
"""Earlier failed calls, by story and failure class."""


@dataclass(slots=True)
class Settlement:
    """The writes of one batch."""

    calls: list[SettledCall] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    decided: set[str] = field(default_factory=set)
    """Rows that this batch changes: two answers for one row may meet in a batch."""


async def settle_results(
    session: AsyncSession, run: Run, results: Sequence[CallResult], signed: SignedTexts | None = None
) -> None:
    """Write a batch. Doing it again after a commit whose answer was lost changes nothing. `signed`: its texts, if
    the run compares them."""
    if signed:  # before its rows: while it waits for others they can be held
        await lock_near_texts(session, run.order.id)
    locked = await lock_attempts(session, [result.call.attempt_id for result in results])
    if signed:
        wanted = {name: text for name, text in signed.items() if takes_answer(locked.get(name))}
        results = await refuse_near(session, run, results, wanted)
    if run.takes_no_text_twice:
        results = await refuse_doubles(session, run, results, locked)
    failed = [result.call.story_id for result in results if result.error is not None]
    failures = await count_failures(session, failed) if failed else {}
    settlement = plan_settlement(run, results, locked, failures)
    if settlement.calls:
        await settle_calls(session, describe_payer(run), settlement.calls, settlement.progress)


async def refuse_doubles(
    session: AsyncSession, run: Run, results: Sequence[CallResult], locked: Mapping[str, LockedAttempt]
) -> list[CallResult]:
    """Return the results, those whose text another story of the run has as broken rules."""
    hashes = {
        result.call.attempt_id: hash_text(result.answer.text)
        for result in results
        if result.answer is not None and result.error is None and takes_answer(locked.get(result.call.attempt_id))
    }
    story_of: dict[str, str] = {}
    for result in results:
        if result.call.attempt_id in hashes:
            story_of.setdefault(hashes[result.call.attempt_id], result.call.story_id)
    holders = await take_texts(session, run.order.id, story_of) if story_of else {}
    return [refuse_double(result, holders.get(hashes.get(result.call.attempt_id, ""))) for result in results]


def takes_answer(attempt: LockedAttempt | None) -> bool:
    """Say whether the row of a call may still be given its answer; the text of any other is not the run's."""
    return attempt is not None and not attempt.is_settled and attempt.story_status in STORY.open


def refuse_double(result: CallResult, holder: str | None) -> CallResult:
    """Return a result, as a broken rule if another story has its text."""
    if holder is None or holder == result.call.story_id:
        return result
    request_id = find_request_id(result.answer, result.error)
    return replace(
        result, error=LlmError(FailureClass.RULE_BROKEN, f"the same text as {holder}", request_id=request_id)
    )


def hash_text(text: str) -> str:
    """Return what a text is told by."""
    return hashlib.sha256(text.encode()).hexdigest()


def plan_settlement(
    run: Run, results: Sequence[CallResult], locked: Mapping[str, LockedAttempt], failures: FailureCounts
) -> Settlement:
    """Decide what becomes of each row and each call."""
    settlement = Settlement()
    for result in results:
        attempt = locked.get(result.call.attempt_id)
        if attempt is None or attempt.is_settled:
            continue
        settled = describe_call(run, result, attempt)
        if result.error is not None:
            _decide_failure(settlement, run, result, attempt, settled, failures)
        elif result.answer is not None:
            _decide_answer(settlement, result.answer, attempt, settled)
        if settled.story_status in STORY.final:
            settled.answer = run.keep(result.answer, result.error)
        settlement.calls.append(settled)
        _count_cost(settlement.progress, attempt, settled)
    return settlement


def describe_payer(run: Run) -> Payer:
    """Return what the ledger entries of a run share."""
    order, target = run.order, run.target
    return Payer(order.project_id, order.api_key_id, order.id, target.provider.name, target.model, run.quote.note)


def describe_call(run: Run, result: CallResult, attempt: LockedAttempt) -> SettledCall:
    """Return a call with its cost and usage, failed until decided otherwise."""
    answer, error = result.answer, result.error
    may_cost = answer is not None or error is None or error.failure_class.may_be_charged
    settled = SettledCall(attempt.id, attempt.story_id, "failed", find_cost(run, result))
    settled.failure_class = result.excuse or (error.failure_class.value if error else None)
    settled.upstream_request_id = find_request_id(answer, error)
    if answer is not None and error is not None and is_rejected(run, error):
        settled.rejected_text, settled.rejected_because = answer.text, error.message
    if answer is not None:
        settled.prompt_tokens, settled.completion_tokens = answer.prompt_tokens, answer.completion_tokens
        settled.note = run.quote.note_estimate(has_usage=answer.has_usage)
    if may_cost or attempt.outcome == "unknown":
        settled.ledger_id = ids.new_id(ids.LEDGER_ENTRY)
    return settled


def is_rejected(run: Run, error: LlmError) -> bool:
    """Say whether a text is kept with the reason why it was not taken."""
    is_cut = run.raised_max_tokens is not None and error.failure_class is FailureClass.TRUNCATED
    return is_cut or error.failure_class is FailureClass.RULE_BROKEN


def is_last_text(run: Run, result: CallResult, earlier: int) -> bool:
    """Say whether a row whose text breaks a rule is asked for no other: it had its tries, or even the longer text was
    cut, and the next would cost as much and be cut, too."""
    is_cut = result.answer is not None and result.answer.failure_class() is FailureClass.TRUNCATED
    return earlier + 1 >= run.tries or (is_cut and result.call.was_cut)


def find_cost(run: Run, result: CallResult) -> Decimal | None:
    """Return what a call cost; without usage the reserved worst case, None when no price is known."""
    if result.answer is None:
        is_free = result.error is not None and not result.error.failure_class.may_be_charged
        return ZERO_USD if is_free else result.call.reserved_usd
    answer = result.answer
    cost = run.quote.cost(answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens)
    return result.call.reserved_usd if cost is None else cost


def _decide_answer(settlement: Settlement, answer: LlmAnswer, attempt: LockedAttempt, settled: SettledCall) -> None:
    if not takes_answer(attempt) or attempt.story_id in settlement.decided:
        settled.outcome = "superseded"
        return
    settled.outcome = settled.story_status = "succeeded"
    settled.text = answer.text
    settled.sha256 = hash_text(settled.text)
    settled.finish_reason = answer.finish_reason
    settled.model = answer.model
    settlement.decided.add(attempt.story_id)
    settlement.progress.succeeded += 1
    settlement.progress.running -= attempt.story_status == "running"


def _decide_failure(
    settlement: Settlement,
    run: Run,
    result: CallResult,
    attempt: LockedAttempt,
    settled: SettledCall,
    failures: FailureCounts,
) -> None:
    error, is_owner = result.error, attempt.story_attempt == result.call.number
    if error is None or not is_owner or attempt.story_status != "running" or attempt.story_id in settlement.decided:
        return  # somebody else owns the row, or it is queued already
    settlement.decided.add(attempt.story_id)
    settlement.progress.running -= 1
    settled.story_status = "queued"
    if result.excuse is not None:
        settled.wait_seconds = EXCUSED_WAIT_SECONDS
        return
    if error.failure_class in NOT_THE_ROWS_FAULT:
        return
    earlier = failures.get((attempt.story_id, error.failure_class.value), 0)
    if error.failure_class is FailureClass.TRUNCATED and run.raised_max_tokens and not result.call.was_cut:
        return
    if error.failure_class is FailureClass.RULE_BROKEN:
        if is_last_text(run, result, earlier):
            settlement.progress.rejected += 1
            settled.story_status, settled.failure_message = "rejected", error.message
        return
    settled.wait_seconds = find_wait(error.failure_class, earlier + 1, error.retry_after_seconds)
    if settled.wait_seconds is None:
        settlement.progress.failed += 1
        settled.story_status = "failed"
        settled.failure_message = error.message
        settled.finish_reason = result.answer.finish_reason if result.answer else None


def _count_cost(progress: Progress, attempt: LockedAttempt, settled: SettledCall) -> None:
    if attempt.outcome == "unknown":  # charged already, with the worst case: correct it
        progress.spent_usd -= attempt.spent_usd or ZERO_USD
    else:
        progress.reserved_usd -= attempt.reserved_usd or ZERO_USD
    progress.spent_usd += settled.spent_usd or ZERO_USD
    progress.cost_known = progress.cost_known and settled.spent_usd is not None
    progress.prompt_tokens += settled.prompt_tokens or 0
    progress.completion_tokens += settled.completion_tokens or 0


def find_request_id(answer: LlmAnswer | None, error: LlmError | None) -> str | None:
    """Return the provider's id of a call."""
    return answer.request_id if answer else error.request_id if error else None
