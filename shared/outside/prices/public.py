"""Prices of other people's models from the `genai-prices` package: a list that came with its release.

Nothing is fetched: its updater is never started."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit

from shared.outside.providers.configuration import Provider, TokenPrice

PACKAGE: Final = "genai-prices"


def find_public_price(provider: Provider, model: str, on: date) -> tuple[TokenPrice, str] | None:
    """Return the price of a model at the address of `provider`, with its note; None when the list has none."""
    if not is_public(provider.base_url):
        return None
    # Deferred: 25 MB and 0.2 s, which an installation on its own engine never needs.
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    try:
        listed, known = get_snapshot().find_provider_model(model, None, None, provider.base_url)
    except LookupError:
        return None
    prices: Any = known.get_prices(datetime.combine(on, time(12), UTC))
    price = read_token_price(prices)
    if price is None:
        return None
    return price, f"{name_list()}: {listed.id}, {known.id}"


@cache
def name_list() -> str:
    """Return the list's name with its version, whose reading takes half a millisecond."""
    return f"{PACKAGE} {version(PACKAGE)}"


def is_public(base_url: str) -> bool:
    """Say whether an address may be a company's: not a number, not a name of this network."""
    host = urlsplit(base_url).hostname or ""
    return "." in host and not host.rpartition(".")[2].isdigit() and ":" not in host


def read_token_price(prices: Any) -> TokenPrice | None:
    """Return the package's price in our shape; beyond its first threshold a whole call costs the dearest tier."""
    if getattr(prices, "input_mtok", None) is None or getattr(prices, "output_mtok", None) is None:
        return None
    given: list[Any] = [prices.input_mtok, prices.output_mtok, getattr(prices, "cache_read_mtok", None)]
    starts = [tier.start for value in given for tier in getattr(value, "tiers", ())]
    base = TokenPrice(*[getattr(value, "base", value) for value in given])
    if not starts:
        return base
    return replace(base, long_from=min(starts), long=TokenPrice(*map(find_top, given)))


def find_top(value: Any) -> Any:
    """Return the dearest tier of a price, or the price where it has none."""
    tiers = getattr(value, "tiers", ())
    return max([value.base, *(tier.price for tier in tiers)]) if tiers else getattr(value, "base", value)
