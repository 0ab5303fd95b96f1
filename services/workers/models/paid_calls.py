"""Upstream calls for an evaluation or a comparison: each is on the books before it leaves, and settled when it is back.
Calls of a claim that was lost are charged as unknown by the next one."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import LostRowError
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from services.workers.providers.charged_call import ChargedCall
from services.workers.providers.model_health import ModelHealth
from services.workers.providers.retry_plan import RetryPlan
from services.workers.providers.turns import wait_for_turn
from shared import ids
from shared.observability.logs import get_logger
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.money import NOTHING
from shared.outside.prices.worst_case import bound_prompt_tokens, find_max_tokens
from shared.outside.providers.border.answers import Kind, LlmAnswer
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.attempts import (
    Caller,
    NewAttempt,
    SettledAttempt,
    add_attempts,
    find_newest_number,
    list_unsettled,
    settle_attempts,
)
from shared.stores.db.repositories.ledger import LedgerLine, book_attempts
from shared.stores.db.repositories.model_claims import ClaimedWork

LOST_NOTE: Final = "no outcome: charged with the reserved worst case"

log = get_logger(__name__)


@dataclass(slots=True)
class PaidCalls:
    """The calls of one claim. Its numbers go on from those of earlier claims."""

    context: WorkerContext
    claimed: ClaimedWork
    hold: Hold
    numbers: "count[int]" = field(repr=False)

    async def ask(self, target: Target, kind: Kind, body: Mapping[str, Any]) -> LlmAnswer:
        """Return the provider's answer; failures that pass are tried again. Raises: LlmError when they do not pass in
        time, and at once for those that do not; LostRowError when the row is another's."""
        settings = self.context.worker_settings
        plan = RetryPlan(settings.patience_seconds)
        health = await self.context.healths.find_for(target)
        while True:
            refusal = await wait_for_turn(health, settings.down_grace_seconds, plan.give_up_at, wait)
            if refusal is not None:
                raise refusal
            begun_at = time.time()
            try:
                answer = await self._ask_once(health, target, kind, body)
            except LlmError as error:
                excuse = health.hear(error, self.claimed.id, begun_at)
                is_excused = excuse is not None and error.failure_class.retryable
                wait_seconds = 0.0 if is_excused else plan.next_wait(error)
                if wait_seconds is None:
                    raise
            else:
                health.hear(None, self.claimed.id, begun_at)
                return answer
            finally:
                if begun_at >= health.standing.since:
                    health.give_up_probe()
            await asyncio.sleep(wait_seconds)

    async def _ask_once(self, health: ModelHealth, target: Target, kind: Kind, body: Mapping[str, Any]) -> LlmAnswer:
        quote = find_price(target.provider, target.model)
        prompt = read_prompt(body)
        charged = ChargedCall(self.context.rate_limits, target, lambda: len(prompt.encode()))
        reserved = quote.cost(bound_prompt_tokens(prompt), find_max_tokens(kind, body))
        call = NewAttempt(ids.new_id(ids.ATTEMPT), self.claimed.id, next(self.numbers), reserved)
        caller = Caller(self.claimed.project_id, None, self.context.worker_id, target.provider.name, target.model)
        database = self.context.database
        await write_patiently(database, lambda session: add_attempts(session, caller, [call]), what="book a call")
        try:
            await self.hold.confirm()
        except LostRowError:
            never_left = LlmError(FailureClass.UNREACHABLE, "the call did not leave: the row was lost")
            await self._settle(describe_failure(call, never_left), quote.note)
            raise
        try:
            await charged.leave()
            async with health.follow("whole"):
                answer = await self.context.llm.complete(target, kind, body)
            await charged.settle((answer.prompt_tokens or 0) + (answer.completion_tokens or 0))
            health.learn_limits(answer.headers)
        except LlmError as error:
            await self._settle(describe_failure(call, error), quote.note)
            raise
        except Exception as defect:
            log.exception("model_call_failed", id=self.claimed.id, attempt=call.id)
            failure = LlmError.of_defect(defect)
            await self._settle(describe_failure(call, failure), quote.note)
            raise failure from defect
        note = quote.note + quote.note_estimate(has_usage=answer.has_usage)
        await self._settle(describe_answer(call, answer, quote), note)
        if answer.broken is not None:
            raise answer.broken
        return answer

    async def _settle(self, settled: SettledAttempt, note: str) -> None:
        async def write(session: AsyncSession) -> None:
            await settle_attempts(session, [settled])
            if settled.spent_usd != NOTHING or settled.outcome == "succeeded":
                await book_attempts(session, [LedgerLine(settled.id, self.claimed.api_key_id, note)])

        await write_patiently(self.context.database, write, what="settle a call")


async def wait(seconds: float) -> bool:
    """Sleep; nobody takes these calls back but by cancelling them."""
    await asyncio.sleep(seconds)
    return True


def read_prompt(body: Mapping[str, Any]) -> str:
    """Return everything of a request that is read by the model, as one text."""
    if "messages" in body:
        return "".join(str(message.get("content") or "") for message in body["messages"])
    return str(body.get("prompt") or "")


def describe_answer(call: NewAttempt, answer: LlmAnswer, quote: PriceQuote) -> SettledAttempt:
    """Return the outcome of a call that was answered, if by a part of a text only; without a count of tokens the worst
    case is charged."""
    cost = quote.cost(answer.prompt_tokens, answer.completion_tokens)
    return SettledAttempt(
        call.id,
        "failed" if answer.broken else "succeeded",
        call.reserved_usd if cost is None else cost,
        str(answer.broken.failure_class) if answer.broken else None,
        upstream_request_id=answer.request_id,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )


def describe_failure(call: NewAttempt, error: LlmError) -> SettledAttempt:
    """Return the outcome of a call that failed, charged if its provider may bill it."""
    spent = call.reserved_usd if error.failure_class.may_be_charged else NOTHING
    return SettledAttempt(call.id, "failed", spent, str(error.failure_class), error.request_id)


async def open_calls(context: WorkerContext, claimed: ClaimedWork, hold: Hold) -> PaidCalls:
    """Return the calls of a new claim; those that an earlier claim left without an outcome are charged now."""
    async with context.database.transaction() as session:
        await settle_lost(session, claimed)
        newest = await find_newest_number(session, claimed.id)
    return PaidCalls(context, claimed, hold, count(newest + 1))


async def settle_lost(session: AsyncSession, claimed: ClaimedWork) -> None:
    """Close the books on calls whose worker died."""
    lost = await list_unsettled(session, claimed.id)
    await settle_attempts(session, [SettledAttempt(call_id, "unknown", reserved) for call_id, reserved in lost])
    await book_attempts(session, [LedgerLine(call_id, claimed.api_key_id, LOST_NOTE) for call_id, _ in lost])
