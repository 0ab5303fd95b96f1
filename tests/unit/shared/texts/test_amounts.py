"""Events and messages put money and counts as commands do."""

from decimal import Decimal

import pytest

from shared.texts import amounts
from storymill.cli import words


@pytest.mark.parametrize("amount", [None, 0.0, 0.5, 0.000002, 0.0123456789, 0.118, -0.25, -0.00788, 1, 11.374, 20130.5])
def test_money_is_one_thing_in_events_and_commands(amount: float | None) -> None:
    assert amounts.format_usd(amount) == words.format_usd(amount)
    if amount is not None:
        assert amounts.format_usd(Decimal(str(amount))) == words.format_usd(amount)


@pytest.mark.parametrize("count", [0, 1, 2, 6500])
@pytest.mark.parametrize("thing", ["epoch", "token", "call"])
def test_counts_are_one_thing_in_events_and_commands(count: int, thing: str) -> None:
    assert amounts.count_of(count, thing) == words.count_of(count, thing)
