"""`GET /v1/prices…`."""

from typing import Annotated

from fastapi import Query

from services.gateway.http.days import CalendarDay
from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import ShortList
from services.gateway.http.route import own_router
from services.gateway.prices.answers import PriceComparison, ShownModelPrices, ShownPrice
from services.gateway.prices.service import compare_prices, find_prices, get_provider, shape_entry, shape_prices
from shared.clock import utc_now
from shared.http.answers import JsonAnswer
from shared.outside.prices.book import load_price_book

router = own_router("usage")

ModelName = Annotated[str, Query(min_length=1, max_length=512)]
ProviderName = Annotated[str | None, Query(min_length=1, max_length=64)]
Day = Annotated[CalendarDay | None, Query(description="Today, unless given: prices of that day.")]


@router.get("/prices", summary="List prices", response_model=ShortList[ShownPrice])
async def list_prices(
    gateway: GatewayDep,
    caller: Caller,
    model: Annotated[str | None, Query(min_length=1, max_length=512)] = None,
    provider: ProviderName = None,
    on: Day = None,
) -> JsonAnswer:
    """Return the entries of the price book, of every time unless a day is given."""
    if provider is not None:
        get_provider(gateway, provider)
    book = load_price_book(gateway.settings.prices_dir)
    entries = [shape_entry(price) for price in book.list_prices(provider, model, on)]
    return JsonAnswer({"object": "list", "data": entries, "has_more": False})


@router.get("/prices/compare", summary="Compare two models' prices", response_model=PriceComparison)
async def read_price_comparison(
    gateway: GatewayDep,
    caller: Caller,
    model: ModelName,
    against: ModelName,
    provider: ProviderName = None,
    on: Day = None,
) -> JsonAnswer:
    """Return how many times as much one model costs as another."""
    day = on or utc_now().date()
    left = await find_prices(gateway, caller.project_id, model, provider, day)
    right = await find_prices(gateway, caller.project_id, against, provider, day)
    return JsonAnswer(compare_prices(left, right))


@router.get("/prices/show", summary="Show what a model costs", response_model=ShownModelPrices)
async def read_prices(
    gateway: GatewayDep, caller: Caller, model: ModelName, provider: ProviderName = None, on: Day = None
) -> JsonAnswer:
    """Return what a model costs on a day, each price with its source, or the reason why it is unknown."""
    prices = await find_prices(gateway, caller.project_id, model, provider, on or utc_now().date())
    return JsonAnswer(shape_prices(prices))
