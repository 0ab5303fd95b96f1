"""One upstream call of a completion, as the books see it: what it may cost, what it used, how it ended."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from shared import ids
from shared.contracts.result_requests import count_input_bytes, is_result, list_inputs
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.worst_case import find_max_tokens
from shared.outside.providers.border.usage import Usage
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.attempts import Caller, NewAttempt, Outcome, SettledAttempt
from shared.stores.db.repositories.completion_claims import ClaimedCompletion
from shared.stores.db.repositories.ledger import LedgerLine

DEFAULT_OUTPUT_TOKENS: Final = 4096
"""Taken as the worst case when a request sets no limit."""


@dataclass(slots=True)
class Call:
    """Filled in while the stream is read, so that a call cut short can still be booked."""

    claimed: ClaimedCompletion
    target: Target
    quote: PriceQuote
    id: str = field(default_factory=lambda: ids.new_id(ids.ATTEMPT))
    deltas: int = 0
    tokens_seen: int = 0
    """What they may have been, where the provider tells no usage."""
    extra: list[dict[str, Any]] = field(default_factory=list)
    """Raw choice deltas beside the text: tool calls, refusal, log probabilities."""
    extra_at: list[int] = field(default_factory=list)
    """Code points of the text before each."""
    result: dict[str, Any] | None = None
    """What came in place of a text."""
    finish_reason: str | None = None
    usage: Usage | None = None
    told: dict[str, str] = field(default_factory=dict)
    """What the answer says of itself: `system_fingerprint`, `service_tier`."""
    model: str | None = None
    request_id: str | None = None
    failure: LlmError | None = None

    def caller(self, worker_id: str) -> Caller:
        """Return who makes the call."""
        return Caller(self.claimed.project_id, None, worker_id, self.target.provider.name, self.target.model)

    def new_attempt(self) -> NewAttempt:
        """Return the row to commit before the call leaves."""
        request = self.claimed.request
        limit = 0 if is_result(self.claimed.kind) else find_max_tokens("chat", request) or DEFAULT_OUTPUT_TOKENS
        reserved = self.quote.cost(count_prompt_bytes(request), limit)
        return NewAttempt(self.id, self.claimed.id, self.claimed.attempt, reserved)

    def settle(self, *, superseded: bool = False) -> tuple[SettledAttempt, LedgerLine | None]:
        """Return the outcome, and the ledger line if the call may have cost something."""
        failure_class = self.failure.failure_class if self.failure else None
        charged = failure_class is None or failure_class.may_be_charged
        spent, note = self._find_cost() if charged else (Decimal(0), None)
        settled = SettledAttempt(
            self.id,
            self._find_outcome(superseded=superseded),
            spent,
            str(failure_class) if failure_class else None,
            (self.failure.request_id if self.failure else None) or self.request_id,
            self.usage.prompt_tokens if self.usage else None,
            self.usage.completion_tokens if self.usage else None,
        )
        return settled, LedgerLine(self.id, self.claimed.api_key_id, note) if charged else None

    def cancel(self) -> None:
        """Record that the client wanted no more of it."""
        self.failure = LlmError(FailureClass.CANCELLED, "cancelled", request_id=self.request_id)

    def _find_outcome(self, *, superseded: bool) -> Outcome:
        """A call that was cut short (no failure, no finish reason) is `unknown`: the provider may bill it."""
        if self.failure is not None:
            return "failed"
        if self.finish_reason is None:
            return "unknown"
        return "superseded" if superseded else "succeeded"

    def _find_cost(self) -> tuple[Decimal | None, str]:
        if self.usage is not None:
            used = self.usage
            return self.quote.cost(used.prompt_tokens, used.completion_tokens, used.cached_tokens), self.quote.note
        guess = self.quote.cost(count_prompt_bytes(self.claimed.request), self.tokens_seen)
        return guess, f"{self.quote.note}; the provider told no usage: prompt bytes and chunks seen are charged"


def plan_call(claimed: ClaimedCompletion, target: Target) -> Call:
    """Return the call that a claim is about to make."""
    return Call(claimed, target, find_price(target.provider, target.model))


def count_prompt_bytes(request: dict[str, Any]) -> int:
    """Return an upper bound of the prompt's tokens: no tokenizer makes more tokens than bytes."""
    if "input" in request:
        return sum(map(count_input_bytes, list_inputs(request["input"])))
    prompt = request.get("prompt")
    if isinstance(prompt, list):  # token ids
        return len(prompt)
    if isinstance(prompt, str):
        return len(prompt.encode())
    messages = request.get("messages")
    asked = [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
    return sum(len(str(message.get("content") or "").encode()) for message in asked)
