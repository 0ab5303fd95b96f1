"""What a call costs: the configured price, else the book's, else the public list's, else unknown with the reason."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from shared.clock import utc_now
from shared.outside.prices.book import USAGE, load_price_book
from shared.outside.prices.money import NOTHING, price_tokens, round_up
from shared.outside.prices.public import find_public_price
from shared.outside.providers.configuration import ENGINE, Provider, TokenPrice

NO_USAGE: Final = "; the provider told no usage: the reserved worst case is charged"
"""Behind the note of a price."""
FREE: Final = TokenPrice(NOTHING, NOTHING)


@dataclass(frozen=True, slots=True)
class PriceQuote:
    """A price with its source, or None with the reason. `note` goes into the ledger."""

    price: TokenPrice | None
    note: str
    source: str | None = None
    valid_from: date | None = None

    def note_estimate(self, *, has_usage: bool) -> str:
        """Return what stands behind `note` in the books: that a cost is the bound, where nobody counted the tokens."""
        return "" if has_usage or self.price is None or self.price == FREE else NO_USAGE

    def cost(
        self, prompt_tokens: int | None, completion_tokens: int | None, cached_tokens: int | None = None
    ) -> Decimal | None:
        """Return US dollars rounded up to nine decimals; None when price or usage is unknown. `cached_tokens` are
        those of the prompt that the provider had in its cache."""
        if self.price is None:
            return None
        if self.price == FREE:
            return NOTHING
        if prompt_tokens is None or completion_tokens is None:
            return None
        price = self.price.at(prompt_tokens)
        cached = min(max(cached_tokens or 0, 0), prompt_tokens)
        cached_price = price.cached_input_usd_per_million
        return round_up(
            price_tokens(price.input_usd_per_million, prompt_tokens - cached)
            + price_tokens(price.input_usd_per_million if cached_price is None else cached_price, cached)
            + price_tokens(price.output_usd_per_million, completion_tokens)
        )

    def shape(self) -> dict[str, Any] | None:
        """Return what is kept with a tuned model; None when the price is unknown."""
        if self.price is None:
            return None
        price = self.price
        rates = {
            "input_usd_per_million": price.input_usd_per_million,
            "cached_input_usd_per_million": price.cached_input_usd_per_million,
            "output_usd_per_million": price.output_usd_per_million,
        }
        return {
            **{name: None if rate is None else float(rate) for name, rate in rates.items()},
            "note": self.note,
            "source": self.source,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
        }


def find_price(provider: Provider, model: str, on: date | None = None) -> PriceQuote:
    """Return the price of a model at a provider on a day, today unless given."""
    day = on or utc_now().date()
    return (
        quote_configured(provider, model)
        or quote_engine(provider)
        or quote_booked(provider, model, day)
        or quote_shut_down(provider, model, day)
        or quote_public(provider, model, day)
        or PriceQuote(None, explain_unknown(provider, model, day))
    )


def quote_configured(provider: Provider, model: str) -> PriceQuote | None:
    """Return the price that `providers.toml` gives."""
    for pattern, price in provider.prices:
        if fnmatchcase(model, pattern):
            note = f"providers.toml: {provider.name}, {pattern}"
            return PriceQuote(price, note, "providers.toml")
    return None


def quote_booked(provider: Provider, model: str, on: date) -> PriceQuote | None:
    """Return the price that the book gives."""
    booked = load_price_book(provider.prices_dir).find(provider, model, USAGE, on)
    if booked is None:
        return None
    entry = booked.entry
    assert entry.input is not None
    assert entry.output is not None
    price = TokenPrice(entry.input, entry.output, entry.cached_input)
    return PriceQuote(price, booked.describe(), booked.source, booked.valid_from)


def quote_engine(provider: Provider) -> PriceQuote | None:
    """Return the embedded engine's price."""
    return PriceQuote(FREE, "the embedded engine costs nothing per token") if provider.name == ENGINE else None


def quote_shut_down(provider: Provider, model: str, on: date) -> PriceQuote | None:
    """Return that a model is gone, which no price list must hide."""
    day = load_price_book(provider.prices_dir).find_shutdown_date(provider, model)
    return PriceQuote(None, f"{provider.name} shut {model} down on {day}") if day is not None and day <= on else None


def quote_public(provider: Provider, model: str, on: date) -> PriceQuote | None:
    """Return the price that the public list gives."""
    found = find_public_price(provider, model, on)
    return PriceQuote(found[0], found[1], found[1].partition(":")[0]) if found else None


def explain_unknown(provider: Provider, model: str, on: date) -> str:
    """Return why there is no price, and how to set one."""
    past = load_price_book(provider.prices_dir).find_expired(provider, model, USAGE, on)
    until = f" since {past.valid_until}" if past is not None else ""
    return f'no price{until}: set [providers.{provider.name}.prices."{model}"] in providers.toml'
