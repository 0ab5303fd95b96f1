"""How a call stands in the books, by how it ended."""

from decimal import Decimal
from typing import Any

import pytest

from services.workers.interactive.call import DEFAULT_OUTPUT_TOKENS, Call, count_prompt_bytes, plan_call
from shared.outside.prices.inference import PriceQuote
from shared.outside.providers.border.usage import Usage
from shared.outside.providers.configuration import Provider, Target, TokenPrice
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.completion_claims import ClaimedCompletion

DOLLAR = TokenPrice(Decimal(1), Decimal(1))
"""A dollar per million tokens: a token costs a millionth."""
MILLIONTH = Decimal("0.000001")


def make_call(request: dict[str, Any] | None = None, *, priced: bool = True) -> Call:
    claimed = ClaimedCompletion(
        "str_1", "proj_1", "key_1", "completion", "m", request or {"prompt": "唐朝", "max_tokens": 10}, 1, "", False
    )
    prices = (("*", DOLLAR),) if priced else ()
    return plan_call(claimed, Target(Provider("p", "http://p/v1", prices=prices), "m"))


@pytest.mark.parametrize(
    ("request_body", "tokens"),
    [
        ({"prompt": "唐朝", "max_tokens": 10}, 6 + 10),
        ({"prompt": [1, 2, 3], "max_completion_tokens": 5}, 3 + 5),
        ({"messages": [{"role": "user", "content": "ab"}, {"role": "user"}]}, 2 + DEFAULT_OUTPUT_TOKENS),
    ],
)
def test_the_worst_case_is_reserved(request_body: dict[str, Any], tokens: int) -> None:
    assert make_call(request_body).new_attempt().reserved_usd == tokens * MILLIONTH


def test_prompt_bytes_bound_its_tokens() -> None:
    assert count_prompt_bytes({"prompt": "唐🦸"}) == 7


def test_a_whole_call_costs_what_the_provider_counted() -> None:
    call = make_call()
    call.finish_reason, call.usage, call.deltas = "stop", Usage(3, 4), 4
    settled, line = call.settle()
    assert (settled.outcome, settled.spent_usd, settled.completion_tokens) == ("succeeded", 7 * MILLIONTH, 4)
    assert line is not None
    assert "usage" not in (line.price_note or "")


def test_cached_input_is_charged_at_its_own_price() -> None:
    cheap_cache = TokenPrice(Decimal(10), Decimal(20), Decimal(1))
    call = make_call()
    call.quote = PriceQuote(cheap_cache, "a contract")
    call.finish_reason, call.usage = "stop", Usage(100, 5, cached_tokens=60)
    settled, line = call.settle()
    assert settled.spent_usd == (40 * 10 + 60 * 1 + 5 * 20) * MILLIONTH
    assert line is not None
    assert line.price_note == "a contract"


def test_a_late_answer_of_a_fenced_worker_is_booked_as_superseded() -> None:
    call = make_call()
    call.finish_reason, call.usage = "stop", Usage(3, 4)
    settled, line = call.settle(superseded=True)
    assert (settled.outcome, settled.spent_usd) == ("superseded", 7 * MILLIONTH)
    assert line is not None


def test_a_cancelled_call_is_charged_for_what_was_seen() -> None:
    call = make_call()
    call.deltas, call.tokens_seen = 5, 5
    call.cancel()
    settled, line = call.settle()
    assert (settled.outcome, settled.failure_class, settled.spent_usd) == ("failed", "cancelled", 11 * MILLIONTH)
    assert line is not None
    assert "told no usage" in (line.price_note or "")


def test_a_call_cut_short_stays_charged_as_unknown() -> None:
    settled, line = make_call().settle()
    assert (settled.outcome, settled.spent_usd) == ("unknown", 6 * MILLIONTH)
    assert line is not None


def test_a_refused_call_costs_nothing_and_is_not_in_the_ledger() -> None:
    call = make_call()
    call.failure = LlmError(FailureClass.RATE_LIMITED, "no")
    settled, line = call.settle()
    assert (settled.outcome, settled.spent_usd, line) == ("failed", Decimal(0), None)


def test_an_unknown_price_is_not_zero() -> None:
    call = make_call(priced=False)
    call.finish_reason, call.usage = "stop", Usage(3, 4)
    settled, line = call.settle()
    assert settled.spent_usd is None
    assert line is not None
    assert "providers.toml" in (line.price_note or "")
