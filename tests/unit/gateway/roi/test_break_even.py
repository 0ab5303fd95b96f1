"""The break-even: the first call at which the tuned model has cost no more."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.roi.break_even import Investment, draw_curve, find_break_even

TODAY = date(2026, 11, 23)
USD = st.decimals(min_value=0, max_value=1000, places=9)


def invest(fixed: str, base: str, tuned: str, **more: object) -> Investment:
    return Investment({"training": Decimal(fixed)}, Decimal(base), Decimal(tuned), TODAY, **more)  # type: ignore[arg-type]


@given(USD, USD, USD)
def test_the_break_even_is_the_first_call_that_has_paid(fixed: Decimal, base: Decimal, tuned: Decimal) -> None:
    found = find_break_even(Investment({"training": fixed}, base, tuned, TODAY))
    if base <= tuned:
        assert found.calls is None
        return
    assert found.calls is not None
    assert fixed + tuned * found.calls <= base * found.calls
    assert found.calls == 0 or fixed + tuned * (found.calls - 1) > base * (found.calls - 1)


@given(USD, USD, USD, USD)
def test_whoever_pays_more_waits_longer(fixed: Decimal, more: Decimal, base: Decimal, tuned: Decimal) -> None:
    less_calls = find_break_even(Investment({"data": fixed}, base, tuned, TODAY)).calls
    more_calls = find_break_even(Investment({"data": fixed, "training": more}, base, tuned, TODAY)).calls
    assert (less_calls is None) == (more_calls is None)
    assert less_calls is None or (more_calls is not None and less_calls <= more_calls)


def test_a_dearer_tuned_model_never_pays_as_in_the_article() -> None:
    found = find_break_even(invest("10", "0.002", "0.12"))
    assert found.calls is None
    assert found.reason == "Never: a call of the tuned model costs $0.118 more."


def test_an_equal_price_never_pays() -> None:
    assert "as much as" in find_break_even(invest("0", "1", "1")).reason


def test_what_cost_nothing_pays_from_the_first_call() -> None:
    found = find_break_even(invest("0", "0.0002", "0", calls_per_day=10))
    assert (found.calls, found.days, found.day) == (0, 0, TODAY)
    assert found.reason == f"From the first call: $0.0002 saved by each. That is on {TODAY}."


def test_hosting_counts_against_what_a_days_calls_save() -> None:
    free = find_break_even(invest("100", "0.03", "0.01", calls_per_day=1000))
    hosted = find_break_even(invest("100", "0.03", "0.01", calls_per_day=1000, hosting_usd_per_hour=Decimal("0.5")))
    never = find_break_even(invest("100", "0.03", "0.01", calls_per_day=100, hosting_usd_per_hour=Decimal("0.5")))
    assert (free.calls, free.days) == (5000, 5)
    assert (hosted.calls, hosted.days) == (12500, 13)
    assert never.calls is None


def test_hosting_by_the_hour_needs_the_calls_per_day() -> None:
    with pytest.raises(ValueError, match="calls per day"):
        find_break_even(invest("1", "1", "0", hosting_usd_per_hour=Decimal(1)))


@pytest.mark.parametrize(("days", "too_late"), [(4, True), (5, True), (6, False)])
def test_a_break_even_on_or_after_the_shutdown_comes_too_late(days: int, too_late: bool) -> None:
    end = TODAY + timedelta(days=days)
    found = find_break_even(invest("100", "0.03", "0.01", calls_per_day=1000, shutdown_date=end))
    assert found.day == TODAY + timedelta(days=5)
    assert found.comes_too_late is too_late
    assert (str(end) in found.reason) is too_late


def test_a_break_even_beyond_the_calendar_has_no_day() -> None:
    found = find_break_even(invest("1000000", "0.000000002", "0.000000001", calls_per_day=1))
    assert found.calls == 10**15
    assert found.day is None


def test_the_curves_cross_in_the_middle() -> None:
    investment = invest("100", "0.03", "0.01")
    points = draw_curve(investment, find_break_even(investment).calls)
    middle = points[len(points) // 2]
    assert middle == (5000, Decimal("150.00"), Decimal("150.00"))
    assert points[0] == (0, 0, 100)
    assert points[-1][1] > points[-1][2]


def test_curves_that_never_meet_are_drawn_all_the_same() -> None:
    assert draw_curve(invest("1", "0.1", "0.2"), None)[-1] == (10_000, Decimal("1000.0"), Decimal("2001.0"))
