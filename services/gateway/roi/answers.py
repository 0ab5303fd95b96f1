"""What `POST /v1/roi` answers, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class CallPrice(BaseModel):
    """One side's calls."""

    usd_per_call: float
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    price_note: str


class ShownBreakEven(BaseModel):
    """When what is fixed is paid back; null when never."""

    calls: int | None
    days: int | None
    date: str | None
    comes_too_late: bool
    reason: str


class CurvePoint(BaseModel):
    """Dollars both ways after so many calls."""

    calls: int
    base_usd: float
    tuned_usd: float


class Return(BaseModel):
    """Costs, the break-even and the two cumulative curves."""

    object: Literal["roi"]
    model: str | None
    against: str | None
    fixed_usd: dict[str, float]
    fixed_total_usd: float
    fixed_notes: dict[str, str | None]
    tuned: CallPrice
    base: CallPrice
    hosting_usd_per_hour: float
    hosting_per_call_usd: float
    saving_per_call_usd: float
    calls_per_day: int | None
    shutdown_date: str | None
    break_even: ShownBreakEven
    curve: list[CurvePoint]
