"""The body of `EvaluateModel`: one cell of the forgetting matrix, a model measured on a validation file."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.workers.models.held_out_rows import Pair, read_pairs
from services.workers.models.holding import LostWorkError, work_while_held
from services.workers.models.paid_calls import PaidCalls, open_calls
from services.workers.models.scoring import SCORING_BODY, CannotScoreError, TextScore, score_answer
from services.workers.process.context import WorkerContext
from services.workers.process.job_task import STORE_ERRORS
from shared.observability.logs import get_logger
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import LlmError
from shared.stores.db.models import ModelEvaluation
from shared.stores.db.repositories.model_claims import ClaimedWork, claim_work, fail_work, finish_work

CALLS_AT_ONCE: Final = 4
"""Gentle: scoring shares the provider with people who wait for their stories."""
MOST_ATTEMPTS: Final = 5

log = get_logger(__name__)


async def evaluate_model(context: WorkerContext, evaluation_id: str) -> None:
    """Measure one model on one file, if nobody else does."""
    async with context.database.transaction() as session:
        claimed = await claim_work(session, ModelEvaluation, evaluation_id, context.worker_id)
    if claimed is not None:
        await work_while_held(context, claimed, evaluate(context, claimed))


async def evaluate(context: WorkerContext, claimed: ClaimedWork) -> None:
    """Bring a claimed evaluation to its end, good or bad."""
    try:
        calls = await open_calls(context, claimed)
        if claimed.attempt > MOST_ATTEMPTS:
            raise CannotScoreError(f"given up after {MOST_ATTEMPTS} attempts that all ended with the worker")
        async with context.database.transaction() as session:
            row = await session.get_one(ModelEvaluation, claimed.id)
        pairs = await read_pairs(context, claimed.project_id, row.file_id)
        score = await score_pairs(calls, await find_target(context, row.model), pairs)
    except CannotScoreError as error:
        await record_failure(context, claimed, "cannot_score", error.message)
    except LlmError as error:
        await record_failure(context, claimed, str(error.failure_class), error.message)
    except (LostWorkError, *STORE_ERRORS):
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
    one call. Raises: CannotScoreError, LlmError."""
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
    """Return the score of one completion after its prompt. Raises: CannotScoreError, LlmError."""
    prompt, completion = pair
    try:
        answer = await calls.ask(target, "completion", {**SCORING_BODY, "prompt": prompt + completion})
    except LlmError as error:
        if error.failure_class.retryable:
            raise
        raise CannotScoreError(f"the provider refuses to score: {error.message}") from error
    return score_answer(answer, prompt)


async def record_score(context: WorkerContext, claimed: ClaimedWork, score: TextScore) -> None:
    """Write what was measured. Raises: LostWorkError."""
    values = {
        "status": "succeeded",
        "loss": score.loss,
        "token_accuracy": score.accuracy,
        "rows": score.rows,
        "tokens": score.tokens,
    }
    async with context.database.transaction() as session:
        if not await finish_work(session, claimed, values):
            raise LostWorkError
    log.info("model_evaluated", evaluation=claimed.id, loss=round(score.loss, 4), rows=score.rows)


async def record_failure(context: WorkerContext, claimed: ClaimedWork, code: str, message: str) -> None:
    """Write why nothing was measured. Raises: LostWorkError."""
    async with context.database.transaction() as session:
        if not await fail_work(session, claimed, code, message):
            raise LostWorkError
    log.info("model_not_evaluated", evaluation=claimed.id, code=code, reason=message)
