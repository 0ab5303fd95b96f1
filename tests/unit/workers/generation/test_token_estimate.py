"""What a call is taken to use before it has."""

from services.workers.generation.token_estimate import ENOUGH_CALLS, TokenEstimate


def test_the_bound_holds_until_enough_calls_have_told() -> None:
    estimate = TokenEstimate(900)
    for _ in range(ENOUGH_CALLS - 1):
        estimate.learn(100)
    assert estimate.tokens == 900
    estimate.learn(100)
    assert estimate.tokens == 100


def test_the_tail_counts_and_not_the_mean() -> None:
    estimate = TokenEstimate(900)
    for number in range(200):
        estimate.learn(500 if number % 10 == 0 else 100)
    assert estimate.tokens == 500
