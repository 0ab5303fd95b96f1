"""Sums of money: exact, never negative, never less for more."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.outside.prices.inference import PriceQuote
from shared.outside.prices.training import TrainingQuote, estimate_training, training_cost
from shared.outside.providers.configuration import TokenPrice

RATE = st.decimals(min_value=0, max_value=10_000, places=6)
TOKENS = st.integers(min_value=0, max_value=10**10)
SMALLEST = Decimal("0.000000001")


@given(RATE, RATE, RATE, TOKENS, TOKENS, TOKENS)
def test_a_call_costs_exactly_its_tokens_rounded_up_once(
    full: Decimal, cached_rate: Decimal, output: Decimal, prompt: int, completion: int, cached: int
) -> None:
    quote = PriceQuote(TokenPrice(full, output, cached_rate), "")
    cost = quote.cost(prompt, completion, cached)
    assert cost is not None
    hit = min(cached, prompt)
    exact = (full * (prompt - hit) + cached_rate * hit + output * completion) / 1_000_000
    assert 0 <= cost - exact < SMALLEST


@given(RATE, RATE, TOKENS, TOKENS, st.integers(min_value=0, max_value=10**6))
def test_more_tokens_never_cost_less(
    given_in: Decimal, given_out: Decimal, prompt: int, completion: int, more: int
) -> None:
    quote = PriceQuote(TokenPrice(given_in, given_out), "")
    less, same_prompt, longer = (
        quote.cost(prompt, completion),
        quote.cost(prompt, completion + more),
        quote.cost(prompt + more, completion + more),
    )
    assert less is not None
    assert same_prompt is not None
    assert longer is not None
    assert 0 <= less <= same_prompt <= longer


@given(RATE, RATE, TOKENS, TOKENS)
def test_cached_input_without_a_price_of_its_own_costs_as_much_as_other_input(
    given_in: Decimal, given_out: Decimal, prompt: int, completion: int
) -> None:
    quote = PriceQuote(TokenPrice(given_in, given_out), "")
    assert quote.cost(prompt, completion, prompt) == quote.cost(prompt, completion)


@given(RATE, st.integers(min_value=0, max_value=10**9), st.integers(min_value=1, max_value=50))
def test_the_actual_cost_of_what_was_estimated_is_the_estimate(rate: Decimal, tokens: int, epochs: int) -> None:
    quote = TrainingQuote(rate, None, "note")
    estimate = estimate_training(quote, tokens, epochs, None)
    actual = training_cost(estimate, tokens * epochs)
    assert actual == training_cost(quote, tokens * epochs)
    assert actual is not None
    assert actual >= 0
    assert estimate["usd"] == float(actual)
