"""Gather what a tuned model cost and what calls cost both ways, and find the break-even."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from services.gateway.prices.service import ModelPrices, find_prices
from services.gateway.roi.break_even import BreakEven, Investment, draw_curve, find_break_even
from services.gateway.roi.hosting import find_hosting_price
from services.gateway.roi.schemas import CallSize, RoiRequest
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import utc_now
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.stores.db.repositories import registry
from shared.stores.db.repositories.model_costs import (
    BookedCost,
    find_average_call,
    sum_data,
    sum_evaluation,
    sum_training,
)

AVERAGED_DAYS: Final = 30
MAIN_MODEL: Final = 1.0
PARTS: Final = ("data", "training", "evaluation")


@dataclass(frozen=True, slots=True)
class CallCost:
    """One side's price of a call, and how it was reckoned."""

    usd: Decimal
    note: str
    size: CallSize


async def find_return(gateway: Gateway, caller: Principal, request: RoiRequest) -> Json:
    """Return costs, break-even and curve. Raises: InvalidRequestError that names what is not known and must be given,
    NotFoundError for a model."""
    day = request.on or utc_now().date()
    tuned = await price_side(gateway, caller, request, "tuned", day)
    base = await price_side(gateway, caller, request, "base", day)
    booked = await read_books(gateway, caller, request.model)
    fixed = {part: getattr(request, f"{part}_usd") for part in PARTS}
    fixed = {part: value if value is not None else booked[part].usd for part, value in fixed.items()}
    require_known(fixed, booked)
    hosting, shutdown = await find_upkeep(gateway, caller, request, day)
    investment = Investment(
        fixed_usd={
            **{part: value for part, value in fixed.items() if value is not None},
            "hosting": request.hosting_usd,
        },
        base_call_usd=base.usd,
        tuned_call_usd=tuned.usd,
        today=utc_now().date(),
        calls_per_day=request.calls_per_day,
        hosting_usd_per_hour=hosting,
        shutdown_date=request.shutdown_date or shutdown,
    )
    try:
        found = find_break_even(investment)
    except ValueError as error:
        raise InvalidRequestError(f"{error}.", param="calls_per_day") from error
    notes = {part: booked[part].note for part in PARTS if booked[part].note and getattr(request, f"{part}_usd") is None}
    return shape_return(request, investment, found, tuned, base, notes)


async def price_side(gateway: Gateway, caller: Principal, request: RoiRequest, side: str, day: date) -> CallCost:
    """Return what a call costs on one side. Raises: InvalidRequestError when price or size is unknown."""
    size: CallSize = getattr(request, side)
    if size.usd_per_call is not None:
        return CallCost(size.usd_per_call, "as given", size)
    model, provider_field = (request.model, "provider") if side == "tuned" else (request.against, "against_provider")
    assert model is not None
    provider = getattr(request, provider_field)
    prices = await find_prices(gateway, caller.project_id, model, provider, day, provider_field)
    if size.prompt_tokens is None or size.completion_tokens is None:
        size = await complete_size(gateway, caller, prices, side, size)
    usd = prices.usage.cost(size.prompt_tokens, size.completion_tokens, size.cached_tokens)
    if usd is None:
        message = f"The price of '{model}' is unknown: {prices.usage.note}. Give {side}.usd_per_call."
        raise InvalidRequestError(message, param=f"{side}.usd_per_call", code="unknown_price")
    return CallCost(usd, prices.usage.note, size)


async def complete_size(
    gateway: Gateway, caller: Principal, prices: ModelPrices, side: str, size: CallSize
) -> CallSize:
    """Return the size with what is not given from the mean of this project's calls. Raises: InvalidRequestError that
    names what must be given when there was none."""
    start = utc_now() - timedelta(days=AVERAGED_DAYS)
    async with gateway.database.transaction() as session:
        mean = await find_average_call(session, caller.project_id, prices.model, start)
    missing = [name for name in ("prompt_tokens", "completion_tokens") if getattr(size, name) is None]
    if mean is None:
        message = (
            f"No call of '{prices.model}' is on the books of the last {AVERAGED_DAYS} days. Give "
            f"{' and '.join(f'{side}.{name}' for name in missing)}."
        )
        raise InvalidRequestError(message, param=f"{side}.{missing[0]}", code="unknown_size")
    completed = size.model_copy(update={name: getattr(mean, name) for name in missing})
    if completed.cached_tokens > (completed.prompt_tokens or 0):
        message = f"cached_tokens is a part of prompt_tokens, and calls have {completed.prompt_tokens} on the mean."
        raise InvalidRequestError(message, param=f"{side}.cached_tokens")
    return completed


async def read_books(gateway: Gateway, caller: Principal, model: str | None) -> dict[str, BookedCost]:
    """Return what a tuned model and its ancestors cost; nothing for a model that is not ours."""
    nothing = dict.fromkeys(PARTS, BookedCost(Decimal(0)))
    if model is None:
        return nothing
    async with gateway.database.transaction() as session:
        row = (await registry.resolve_name(session, caller.project_id, model, MAIN_MODEL)).row
        if row is None:
            return nothing
        line = await registry.list_line(session, row)
        return {
            "data": await sum_data(session, line),
            "training": await sum_training(session, line),
            "evaluation": await sum_evaluation(session, caller.project_id, line),
        }


def require_known(fixed: dict[str, Decimal | None], booked: dict[str, BookedCost]) -> None:
    """Refuse to guess. Raises: InvalidRequestError that names the first cost that nobody knows."""
    for part, value in fixed.items():
        if value is None:
            message = f"The cost of {part} is unknown ({booked[part].note}). Give {part}_usd."
            raise InvalidRequestError(message, param=f"{part}_usd", code="unknown_cost")


async def find_upkeep(
    gateway: Gateway, caller: Principal, request: RoiRequest, day: date
) -> tuple[Decimal, date | None]:
    """Return the hourly price of keeping the tuned model ready, and the day it is shut down."""
    given = request.hosting_usd_per_hour
    if request.model is None:
        return given or Decimal(0), None
    prices = await find_prices(gateway, caller.project_id, request.model, request.provider, day)
    hosting = find_hosting_price(prices.place, prices.model, day)
    return (given if given is not None else hosting or Decimal(0)), prices.shutdown_date


def shape_return(
    request: RoiRequest,
    investment: Investment,
    found: BreakEven,
    tuned: CallCost,
    base: CallCost,
    notes: dict[str, str | None],
) -> Json:
    """Return what was paid once, what a call costs either way, and after how many calls and days that is even; money as
    numbers, for charts."""
    return {
        "object": "roi",
        "model": request.model,
        "against": request.against,
        "fixed_usd": {name: float(amount) for name, amount in investment.fixed_usd.items()},
        "fixed_total_usd": float(investment.total_fixed_usd),
        "fixed_notes": notes,
        "tuned": shape_side(tuned),
        "base": shape_side(base),
        "hosting_usd_per_hour": float(investment.hosting_usd_per_hour),
        "hosting_per_call_usd": float(investment.hosting_per_call_usd),
        "saving_per_call_usd": float(investment.saving_per_call_usd),
        "calls_per_day": investment.calls_per_day,
        "shutdown_date": investment.shutdown_date.isoformat() if investment.shutdown_date else None,
        "break_even": {
            "calls": found.calls,
            "days": found.days,
            "date": found.day.isoformat() if found.day else None,
            "comes_too_late": found.comes_too_late,
            "reason": found.reason,
        },
        "curve": [
            {"calls": calls, "base_usd": float(base_usd), "tuned_usd": float(tuned_usd)}
            for calls, base_usd, tuned_usd in draw_curve(investment, found.calls)
        ],
    }


def shape_side(cost: CallCost) -> dict[str, Any]:
    """Return one side's calls."""
    size = cost.size
    return {
        "usd_per_call": float(cost.usd),
        "prompt_tokens": size.prompt_tokens,
        "cached_tokens": size.cached_tokens if size.prompt_tokens is not None else None,
        "completion_tokens": size.completion_tokens,
        "price_note": cost.note,
    }
