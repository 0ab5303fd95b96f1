"""The body of `CompareModels`: both models write, then the judge votes twice on each pair, in either order, or people
vote. What is written stays, so another worker goes on where one stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import LostRowError, begin_lease
from services.workers.leases.working import work_while_held
from services.workers.models.compared_sides import ComparedSide, find_sides
from services.workers.models.evaluate_task import find_target, record_failure, score_pairs, settle_work
from services.workers.models.held_out_rows import read_pairs
from services.workers.models.judging import ask_judge, read_vote
from services.workers.models.lease import CANNOT_COMPARE, COMPARISON_ROWS
from services.workers.models.paid_calls import PaidCalls, open_calls
from services.workers.models.scoring import CannotScoreError
from services.workers.process.context import WorkerContext
from shared.contracts.votes import PairVotes, tally
from shared.observability.logs import get_logger
from shared.outside.providers.failures import LlmError
from shared.stores.away import STORE_AWAY
from shared.stores.db.models import ComparisonPair, ModelComparison
from shared.stores.db.repositories import comparisons
from shared.stores.db.repositories.leased_rows import write_row
from shared.stores.db.repositories.model_claims import ClaimedWork, claim_work, finish_work

PAIRS_AT_ONCE: Final = 2

log = get_logger(__name__)


async def compare_models(context: WorkerContext, comparison_id: str) -> None:
    """Carry out one comparison, if nobody else does."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_work(session, ModelComparison, comparison_id, lease.worker_id, lease.seconds)
    if claimed is not None:
        await work_while_held(context, COMPARISON_ROWS, claimed, lease, lambda hold: compare(context, claimed, hold))


async def compare(context: WorkerContext, claimed: ClaimedWork, hold: Hold) -> None:
    """Bring a claimed comparison to its end, or to the people who judge it."""
    try:
        calls = await open_calls(context, claimed, hold)
        async with context.database.transaction() as session:
            row = await comparisons.get_comparison(session, claimed.id)
        sides = await find_sides(context, row)
        await write_texts(calls, row.request, sides)
        held_out = await score_sides(calls, row.request, sides)
        if row.request["judge"] != "human":
            await judge_pairs(calls, row.request)
    except CannotScoreError as error:
        await record_failure(context, claimed, CANNOT_COMPARE, error.message)
    except LlmError as error:
        await record_failure(context, claimed, str(error.failure_class), error.message)
    except (LostRowError, *STORE_AWAY):
        raise
    except Exception as defect:  # of ours: to try again would be to pay again
        log.exception("model_work_failed", id=claimed.id)
        failure = LlmError.of_defect(defect)
        await record_failure(context, claimed, str(failure.failure_class), failure.message)
    else:
        await record_result(context, claimed, held_out, is_judged=row.request["judge"] != "human")


async def write_texts(calls: PaidCalls, request: dict[str, Any], sides: tuple[ComparedSide, ComparedSide]) -> None:
    """Have both models write what is missing. Raises: LlmError when a provider refuses or patience is over;
    LostRowError when the comparison is another's."""
    model, against = sides
    parameters = request["parameters"]

    async def write(pair: ComparisonPair) -> dict[str, Any]:
        long_prompt = request["prompts_against"][pair.position]
        texts = await asyncio.gather(
            model.write(calls, pair.prompt, parameters), against.write(calls, long_prompt, parameters)
        )
        return {"text": texts[0], "text_against": texts[1]}

    pairs = await load_pairs(calls)
    await work_through(calls, [pair for pair in pairs if pair.text is None], write)


async def judge_pairs(calls: PaidCalls, request: dict[str, Any]) -> None:
    """Have the judge vote on every pair, in both orders. Raises: CannotScoreError when nobody serves the judge;
    LlmError when its provider refuses or patience is over; LostRowError when the comparison is another's."""
    judge = request["judge"]
    target, kind = await find_target(calls.context, judge["model"]), judge["format"]

    async def vote(pair: ComparisonPair, *, model_is_first: bool) -> str:
        texts = (pair.text or "", pair.text_against or "")
        first, second = texts if model_is_first else reversed(texts)
        task = request["prompts_against"][pair.position]
        answer = await calls.ask(target, kind, ask_judge(kind, task, first, second))
        return read_vote(answer.text, model_is_first=model_is_first)

    async def vote_twice(pair: ComparisonPair) -> dict[str, Any]:
        return {
            "vote": await vote(pair, model_is_first=True),
            "vote_swapped": await vote(pair, model_is_first=False),
            "voted_by": judge["model"],
        }

    pairs = await load_pairs(calls)
    await work_through(calls, [pair for pair in pairs if pair.vote is None], vote_twice)


async def work_through(
    calls: PaidCalls, pairs: Sequence[ComparisonPair], work: Callable[[ComparisonPair], Awaitable[dict[str, Any]]]
) -> None:
    """Do `work` on pairs, a few at once, and store what comes of each. Raises: LostRowError, what `work` raises."""
    slots = asyncio.Semaphore(PAIRS_AT_ONCE)

    async def do_one(pair: ComparisonPair) -> None:
        async with slots:
            values = await work(pair)
            await settle_work(calls.context, lambda session: write_pair(session, calls.claimed, pair, values))
            await calls.hold.note_progress()

    tasks = [asyncio.create_task(do_one(pair)) for pair in pairs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def load_pairs(calls: PaidCalls) -> Sequence[ComparisonPair]:
    """Return the pairs as they stand."""
    async with calls.context.database.transaction() as session:
        return await comparisons.list_pairs(session, calls.claimed.id)


async def score_sides(
    calls: PaidCalls, request: dict[str, Any], sides: tuple[ComparedSide, ComparedSide]
) -> dict[str, Any] | None:
    """Return both models' losses on the held-out rows; where that cannot be told, why."""
    if request["file_id"] is None:
        return None
    try:
        rows = await read_pairs(calls.context, calls.claimed.project_id, request["file_id"])
        scores = [await score_pairs(calls, side.target, rows) for side in sides]
    except CannotScoreError as error:
        return {"file_id": request["file_id"], "error": error.message}
    return {
        "file_id": request["file_id"],
        "rows": len(rows),
        "model": scores[0].loss,
        "against": scores[1].loss,
    }


async def record_result(
    context: WorkerContext, claimed: ClaimedWork, held_out: dict[str, Any] | None, *, is_judged: bool
) -> None:
    """Write the outcome, or leave the pairs to people. Raises: LostRowError when the comparison is another's."""

    async def write(session: AsyncSession) -> bool:
        pairs = await comparisons.list_pairs(session, claimed.id)
        cost = await comparisons.sum_cost(session, claimed.id)
        votes = tally(PairVotes(pair.vote, pair.vote_swapped) for pair in pairs)
        result = {**votes, "held_out": held_out, "cost_usd": None if cost is None else float(cost)}
        if is_judged:
            return await finish_work(session, claimed, {"status": "succeeded", "result": result})
        return await write_row(
            session, claimed.table, claimed, {"status": "voting", "result": result, "lease_until": None}
        )

    await settle_work(context, write)
    log.info("models_compared", comparison=claimed.id, judged=is_judged)


async def write_pair(session: AsyncSession, claimed: ClaimedWork, pair: ComparisonPair, values: dict[str, Any]) -> bool:
    """Store what came of a pair; False when the comparison is not ours any more."""
    if not await write_row(session, claimed.table, claimed, {"status": "running"}):
        return False
    await comparisons.write_pair(session, pair.comparison_id, pair.position, values)
    return True
