"""What training costs: the quote at its start, the estimate before, the actual after, and when a budget is reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

from shared.errors import InvalidRequestError
from shared.outside.prices.book import TRAINING, load_price_book
from shared.outside.prices.model_names import find_base_name
from shared.outside.prices.money import NOTHING, price_tokens, round_up
from shared.outside.providers.configuration import ENGINE, CapacityPrice, Provider

SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class TrainingQuote:
    """A price by tokens, by the hour or both, with its source; or neither, and `note` says why."""

    usd_per_million_tokens: Decimal | None
    usd_per_hour: Decimal | None
    note: str
    source: str | None = None
    valid_from: date | None = None

    @property
    def is_known(self) -> bool:
        """Say whether there is a price."""
        return self.usd_per_million_tokens is not None or self.usd_per_hour is not None

    def shape(self) -> dict[str, Any]:
        """Return what is kept with the job, so that its actual cost is reckoned with this price and no other."""
        return {
            "usd_per_million_tokens": to_number(self.usd_per_million_tokens),
            "usd_per_hour": to_number(self.usd_per_hour),
            "note": self.note,
            "source": self.source,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
        }


def training_price(provider: Provider, base_model: str, on: date) -> TrainingQuote:
    """Return the price of training a model at a provider on a day: configured, booked, or unknown with the reason."""
    return (
        quote_configured(provider, base_model)
        or quote_booked(provider, base_model, on)
        or quote_engine(provider)
        or explain_unknown(provider, base_model, on)
    )


def quote_configured(provider: Provider, model: str) -> TrainingQuote | None:
    """Return the price that `providers.toml` gives."""
    for name in (model, find_base_name(model)):
        for pattern, price in provider.capacity_prices:
            if fnmatchcase(name, pattern) and has_training(price):
                note = f"providers.toml: {provider.name}, {pattern}"
                return TrainingQuote(
                    price.training_usd_per_million, price.training_usd_per_hour, note, "providers.toml"
                )
    return None


def has_training(price: CapacityPrice) -> bool:
    """Say whether a configured price tells of training."""
    return price.training_usd_per_million is not None or price.training_usd_per_hour is not None


def quote_booked(provider: Provider, model: str, on: date) -> TrainingQuote | None:
    """Return the price that the book gives."""
    booked = load_price_book(provider.prices_dir).find(provider, model, TRAINING, on)
    if booked is None:
        return None
    entry = booked.entry
    return TrainingQuote(entry.training_token, entry.training_hour, booked.describe(), booked.source, booked.valid_from)


def quote_engine(provider: Provider) -> TrainingQuote | None:
    """Return the embedded engine's price."""
    if provider.name != ENGINE:
        return None
    return TrainingQuote(NOTHING, None, "the embedded engine trains on this machine: nothing is charged")


def explain_unknown(provider: Provider, model: str, on: date) -> TrainingQuote:
    """Return no price, why, and how to set one."""
    past = load_price_book(provider.prices_dir).find_expired(provider, model, TRAINING, on)
    ended = f" (it was valid until {past.valid_until})" if past is not None else ""
    key = f'[providers.{provider.name}.prices."{find_base_name(model)}"] training_usd_per_million'
    return TrainingQuote(None, None, f"no training price{ended}: set {key} in providers.toml")


def estimate_training(
    quote: TrainingQuote, tokens: int, epochs: int, seconds_per_million_tokens: float | None
) -> dict[str, Any]:
    """Return what a job is expected to take: `tokens` are those of one epoch, cut to the model's limit. `usd` is null
    when it cannot be told, and `usd_note` says why; `seconds` is null when this provider has trained nothing yet."""
    billed = tokens * epochs
    seconds = billed * seconds_per_million_tokens / 1_000_000 if seconds_per_million_tokens is not None else None
    usd = reckon(quote.usd_per_million_tokens, quote.usd_per_hour, billed, seconds)
    return {
        "tokens": tokens,
        "epochs": epochs,
        "billed_tokens": billed,
        "usd": to_number(usd),
        "usd_note": quote.note
        if usd is not None or not quote.is_known
        else f"{quote.note}, by the hour; nothing has been trained there yet",
        "seconds": None if seconds is None else round(seconds, 1),
        "price": quote.shape(),
    }


def training_cost(
    price: TrainingQuote | Mapping[str, Any], trained_tokens: int | None, seconds: float | None = None
) -> Decimal | None:
    """Return what a training cost, by the quote or by the estimate that was kept with the job; None when its price
    is unknown or its tokens (or seconds, for a price by the hour) are."""
    per_million, per_hour = read_rates(price)
    return reckon(per_million, per_hour, trained_tokens, seconds)


def require_known_training_price(quote: TrainingQuote, model: str) -> None:
    """Refuse a budget that could not be held. Raises: InvalidRequestError that says how to set a price."""
    if not quote.is_known:
        raise InvalidRequestError(
            f"A budget needs the price of training '{model}', and there is none: {quote.note}.",
            param="budget_usd",
            code="unknown_price",
        )


def read_rates(price: TrainingQuote | Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """Return dollars per million tokens and per hour, of a quote, of its shape, or of an estimate that holds it."""
    if isinstance(price, TrainingQuote):
        return price.usd_per_million_tokens, price.usd_per_hour
    kept = price.get("price") or price
    return from_number(kept.get("usd_per_million_tokens")), from_number(kept.get("usd_per_hour"))


def reckon(
    per_million: Decimal | None, per_hour: Decimal | None, tokens: int | None, seconds: float | None
) -> Decimal | None:
    """Return dollars, rounded up; None when a rate stands without its quantity, or there is no rate."""
    if per_million is None and per_hour is None:
        return None
    total = NOTHING
    if per_million:
        if tokens is None:
            return None
        total += price_tokens(per_million, tokens)
    if per_hour:
        if seconds is None:
            return None
        total += per_hour * Decimal(repr(seconds)) / SECONDS_PER_HOUR
    return round_up(total)


def to_number(amount: Decimal | None) -> float | None:
    """Return an amount for JSON; `from_number` gives back the same decimal."""
    return None if amount is None else float(amount)


def from_number(amount: float | None) -> Decimal | None:
    """Return the decimal that was written as this number."""
    return None if amount is None else Decimal(repr(amount))
