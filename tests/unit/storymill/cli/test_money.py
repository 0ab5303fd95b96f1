"""Amounts as commands print them."""

import pytest
from rich.console import Console

from storymill.cli.cost_curve import draw_costs
from storymill.cli.money import format_usd
from storymill.cli.usage import draw_bar, find_shares


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "unknown"),
        (0, "$0"),
        (0.4, "$0.40"),
        (12.5, "$12.50"),
        (1234.567, "$1,234.57"),
        (0.00486, "$0.00486"),
        (0.000000001, "$0.000000001"),
        (0.12345678, "$0.1235"),
        (-0.118, "-$0.118"),
    ],
)
def test_dollars_keep_the_figures_that_count(amount: float | None, shown: str) -> None:
    assert format_usd(amount) == shown


def test_bars_show_tokens_where_nothing_costs() -> None:
    rows = [{"cost_usd": 0.0, "total_tokens": 300}, {"cost_usd": 0.0, "total_tokens": 100}]
    assert find_shares(rows) == [0.75, 0.25]
    assert find_shares([{"cost_usd": 1.0, "total_tokens": 1}, {"cost_usd": 0.0, "total_tokens": 9}]) == [1.0, 0.0]
    assert (draw_bar(0.0, 24), draw_bar(0.0001, 24), len(draw_bar(1.0, 24))) == ("", "╸", 24)


def test_the_cost_curve_is_labelled_with_whole_calls() -> None:
    points = [{"calls": 500 * n, "base_usd": n * 1.0, "tuned_usd": 10 + n * 0.5} for n in range(21)]
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        console.print(draw_costs(points, 90, 12))
    assert "10,000" in captured.get()
    assert "base model" in captured.get()
