"""When a tuned model has earned what it cost: pure sums, for the ROI route and its command."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from shared.outside.prices.money import NOTHING, round_up
from shared.texts.amounts import count_of, format_usd

HOURS_PER_DAY: Final = 24
LATEST_YEAR: Final = 9999
CURVE_POINTS: Final = 21
CALLS_SHOWN_WITHOUT_END: Final = 10_000
"""Of a curve that never meets the other."""


@dataclass(frozen=True, slots=True)
class Investment:
    """What was or will be paid before and beside the calls, and what a call costs each way."""

    fixed_usd: Mapping[str, Decimal]
    """Data, training, evaluation, hosting, … each paid once."""
    base_call_usd: Decimal
    tuned_call_usd: Decimal
    today: date
    calls_per_day: int | None = None
    hosting_usd_per_hour: Decimal = NOTHING
    """Goes on as long as the model is kept ready: it counts against what a day's calls save."""
    shutdown_date: date | None = None

    @property
    def total_fixed_usd(self) -> Decimal:
        """All that was paid once, however many calls follow."""
        return sum(self.fixed_usd.values(), NOTHING)

    @property
    def hosting_per_call_usd(self) -> Decimal:
        """Each call's part of a day's hosting. Raises: ValueError when nobody knows how many share it."""
        if not self.hosting_usd_per_hour:
            return NOTHING
        if not self.calls_per_day:
            raise ValueError("hosting by the hour needs the number of calls per day")
        return round_up(self.hosting_usd_per_hour * HOURS_PER_DAY / self.calls_per_day)

    @property
    def saving_per_call_usd(self) -> Decimal:
        """What a call of the tuned model saves; negative when it costs more."""
        return self.base_call_usd - self.tuned_call_usd - self.hosting_per_call_usd


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The first call at which the tuned model has cost no more than the base would have; None: never."""

    calls: int | None
    days: int | None
    """None without the number of calls per day, and with `calls`."""
    day: date | None
    comes_too_late: bool
    """The model is shut down before."""
    reason: str
    """One sentence."""


def find_break_even(investment: Investment) -> BreakEven:
    """Divide what is fixed by what a call saves. Raises: ValueError, see `Investment.hosting_per_call_usd`."""
    saving, fixed = investment.saving_per_call_usd, investment.total_fixed_usd
    if saving <= 0:
        reason = (
            f"Never: a call of the tuned model costs {format_usd(-saving)} more."
            if saving
            else ("Never: a call of the tuned model costs as much as one of the base.")
        )
        return BreakEven(None, None, None, comes_too_late=False, reason=reason)
    calls = math.ceil(fixed / saving)
    saved = f"{format_usd(saving)} saved by each"
    says = (
        f"After {count_of(calls, 'call')}: {format_usd(fixed)} paid, {saved}."
        if fixed
        else f"From the first call: {saved}."
    )
    if not investment.calls_per_day:
        return BreakEven(calls, None, None, comes_too_late=False, reason=says)
    days = math.ceil(Decimal(calls) / investment.calls_per_day)
    return judge_day(investment, calls, days, says)


def judge_day(investment: Investment, calls: int, days: int, says: str) -> BreakEven:
    """Add the day, and whether the model is there so long."""
    day = add_days(investment.today, days)
    end = investment.shutdown_date
    if end is not None and (day is None or day >= end):
        when = f"on {day}" if day else "far away"
        late = f"{says} That is {when}, but the model is shut down on {end}."
        return BreakEven(calls, days, day, comes_too_late=True, reason=late)
    return BreakEven(calls, days, day, comes_too_late=False, reason=f"{says} That is on {day}." if day else says)


def add_days(start: date, days: int) -> date | None:
    """Return the day, None beyond the calendar's end."""
    return start + timedelta(days=days) if days <= (date(LATEST_YEAR, 12, 31) - start).days else None


def draw_curve(investment: Investment, calls: int | None) -> list[tuple[int, Decimal, Decimal]]:
    """Return points (calls, dollars with the base, dollars with the tuned model), to twice the break-even."""
    end = max(2 * calls, CURVE_POINTS - 1) if calls is not None else CALLS_SHOWN_WITHOUT_END
    tuned_call = investment.tuned_call_usd + investment.hosting_per_call_usd
    return [
        (count, investment.base_call_usd * count, investment.total_fixed_usd + tuned_call * count)
        for count in (end * step // (CURVE_POINTS - 1) for step in range(CURVE_POINTS))
    ]
