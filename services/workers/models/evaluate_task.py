"""The body of `EvaluateModel`: one cell of the forgetting matrix, a model measured on a validation file."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import LostRowError, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.models.held_out_rows import Pair, read_pairs
from services.workers.models.lease import CANNOT_SCORE, EVALUATION_ROWS
from services.workers.models.paid_calls import PaidCalls, open_calls
from services.workers.models.scoring import SCORING_BODY, CannotScoreError, TextScore, score_answer
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import ACCOUNT_CODES, LlmError
from shared.stores.away import STORE_AWAY
from shared.stores.db.models import ModelEvaluation
from shared.stores.db.repositories.evaluations import get_evaluation
from shared.stores.db.repositories.model_claims import ClaimedWork, claim_work, fail_work, finish_work

CALLS_AT_ONCE: Final = 4
"""Gentle: scoring shares the provider with people who wait for their stories."""

log = get_logger(__name__)


async def evaluate_model(context: WorkerContext, evaluation_id: str) -> None:
    """Measure one model on one file, if nobody else does."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_work(session, ModelEvaluation, evaluation_id, lease.worker_id, lease.seconds)
    if claimed is not None:
        await work_while_held(context, EVALUATION_ROWS, claimed, lease, lambda hold: evaluate(context, claimed, hold))


async def evaluate(context: WorkerContext, claimed: ClaimedWork, hold: Hold) -> None:
    """Bring a claimed evaluation to its end, good or bad."""
    try:
        calls = await open_calls(context, claimed, hold)
        async with context.database.transaction() as session:
            row = await get_evaluation(session, claimed.id)
        pairs = await read_pairs(context, claimed.project_id, row.file_id)
        score = await score_pairs(calls, await find_target(context, row.model), pairs)
    except CannotScoreError as error:
        await record_failure(context, claimed, CANNOT_SCORE, error.message)
    except LlmError as error:
        await record_failure(context, claimed, str(error.failure_class), error.message)
    except (LostRowError, *STORE_AWAY):
        raise
    except Exception as defect:  # of ours: to try again would be to pay again
        log.exception("model_work_failed", id=claimed.id)
        failure = LlmError.of_defect(defect)
        await record_failure(context, claimed, str(failure.failure_class), failure.message)
    else:
        await record_score(context, claimed, score)


async def find_target(context: WorkerContext, model: str) -> Target:
    """Return where a model is asked. Raises: CannotScoreError when nobody serves it any more."""
    target = await context.catalog.find_target(model)
    if target is None:
        raise CannotScoreError(f"no provider serves the model '{model}'")
    return target


async def score_pairs(calls: PaidCalls, target: Target, pairs: Sequence[Pair]) -> TextScore:
    """Return the score over the completions of all rows. The first is asked alone: a provider that cannot score costs
    one call. Raises: CannotScoreError when it cannot, or when no completion has a token; LlmError when patience is
    over; LostRowError when the row is another's."""
    score = await score_pair(calls, target, pairs[0])
    slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def score_in_turn(pair: Pair) -> TextScore:
        async with slots:
            return await score_pair(calls, target, pair)

    tasks = [asyncio.create_task(score_in_turn(pair)) for pair in pairs[1:]]
    try:
        score = sum(await asyncio.gather(*tasks), score)
    finally:
        for task in tasks:
            task.cancel()
    if not score.tokens:
        raise CannotScoreError("the file's completions are empty")
    return score


async def score_pair(calls: PaidCalls, target: Target, pair: Pair) -> TextScore:
    """Return the score of one completion after its prompt. Raises: CannotScoreError when the provider refuses for good
    or tells no log probabilities; LlmError when patience is over, or it refuses our account; LostRowError when the row
    is another's."""
    prompt, completion = pair
    try:
        answer = await calls.ask(target, "completion", {**SCORING_BODY, "prompt": prompt + completion})
    except LlmError as error:
        if error.failure_class.retryable or error.failure_class in ACCOUNT_CODES:
            raise
        raise CannotScoreError(f"the provider refuses to score: {error.message}") from error
    return score_answer(answer, prompt)


async def record_score(context: WorkerContext, claimed: ClaimedWork, score: TextScore) -> None:
    """Write what was measured. Raises: LostRowError when the evaluation is another's."""
    values = {
        "status": "succeeded",
        "loss": score.loss,
        "token_accuracy": score.accuracy,
        "rows": score.rows,
        "tokens": score.tokens,
    }
    await settle_work(context, lambda session: finish_work(session, claimed, values))
    log.info("model_evaluated", evaluation=claimed.id, loss=round(score.loss, 4), rows=score.rows)


async def record_failure(context: WorkerContext, claimed: ClaimedWork, code: str, message: str) -> None:
    """Write why nothing was measured. Raises: LostRowError when the row is another's."""
    await settle_work(context, lambda session: fail_work(session, claimed, code, message))
    log.info("model_not_evaluated", evaluation=claimed.id, code=code, reason=message)


async def settle_work(context: WorkerContext, write: Callable[[AsyncSession], Awaitable[bool]]) -> None:
    """Write what has been paid for, waiting for Postgres if it is away. `write` says whether the row is ours, and
    writes nothing when it is not. Raises: LostRowError when `write` says no."""
    if not await write_patiently(context.database, write, what="settle model work"):
        raise LostRowError
