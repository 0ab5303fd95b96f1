"""Look prices up for a client: by provider and day, for models that may be long gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from services.gateway.wiring import Gateway
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.outside.prices.book import BookedPrice, load_price_book
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.training import TrainingQuote, training_price
from shared.outside.providers.configuration import OPENAI, OPENAI_BASE_URL, Provider
from shared.stores.db.repositories import registry

MAIN_MODEL: Final = 1.0
"""A roll that leads to what an alias mainly means, not to its canary."""


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """Everything known of one model's prices on a day."""

    model: str
    place: Provider
    usage: PriceQuote
    training: TrainingQuote
    shutdown_date: date | None

    def by_unit(self) -> dict[str, Decimal]:
        """Return the known prices by unit."""
        price = self.usage.price
        units = {
            "input": price.input_usd_per_million if price else None,
            "cached_input": price.cached_input_usd_per_million if price else None,
            "output": price.output_usd_per_million if price else None,
            "training_token": self.training.usd_per_million_tokens,
            "training_hour": self.training.usd_per_hour,
        }
        return {unit: value for unit, value in units.items() if value is not None}


async def find_prices(
    gateway: Gateway, project_id: str, model: str, provider: str | None, on: date, provider_field: str = "provider"
) -> ModelPrices:
    """Return a model's prices on a day; an alias or a legacy name is resolved. Without a provider, of the one that
    serves the model. Raises: NotFoundError when nobody serves the model, or the provider is unknown: the request names
    it in `provider_field`."""
    name, found = await find_provider(gateway, project_id, model, provider, provider_field)
    return look_up(name, found, on)


def look_up(model: str, provider: Provider, on: date) -> ModelPrices:
    """Return a model's prices at a provider on a day."""
    book = load_price_book(provider.prices_dir)
    return ModelPrices(
        model=model,
        place=provider,
        usage=find_price(provider, model, on),
        training=training_price(provider, model, on),
        shutdown_date=book.find_shutdown_date(provider, model),
    )


async def find_provider(
    gateway: Gateway, project_id: str, model: str, provider: str | None, provider_field: str = "provider"
) -> tuple[str, Provider]:
    """Return the provider's name of a model, and the provider. Raises: NotFoundError when nobody serves the model, or
    the provider is unknown."""
    if provider is not None:
        return model, get_provider(gateway, provider, provider_field)
    async with gateway.database.transaction() as session:
        resolved = await registry.resolve_name(session, project_id, model, MAIN_MODEL)
    if resolved.row is not None:
        return resolved.model_name, get_provider(gateway, resolved.row.provider)
    target = await gateway.catalog.find_target(resolved.model_name)
    if target is None:
        raise NotFoundError(
            f"No provider of this mill serves '{model}'. Give '{provider_field}' to ask for its price all the same.",
            param="model",
            code="model_not_found",
        )
    return resolved.model_name, target.provider


def get_provider(gateway: Gateway, name: str, field: str = "provider") -> Provider:
    """Return a provider of this mill, or one that only the price book knows. Raises: NotFoundError if neither does."""
    found = gateway.catalog.providers.find(name)
    if found is not None:
        return found
    own = gateway.settings.prices_dir
    if name == OPENAI:
        return Provider(OPENAI, OPENAI_BASE_URL, prices_dir=own)
    if any(price.provider == name for price in load_price_book(own).prices):
        return Provider(name, "", prices_dir=own)
    raise NotFoundError(f"Neither this mill nor its price book knows a provider '{name}'.", param=field)


def compare_prices(prices: ModelPrices, against: ModelPrices) -> Json:
    """Return how many times as much each unit costs. Raises: InvalidRequestError when there is nothing to compare."""
    ours, theirs = prices.by_unit(), against.by_unit()
    ratios = {unit: float(ours[unit] / theirs[unit]) for unit in ours if theirs.get(unit)}
    if not ratios:
        missing = next((side for side in (prices, against) if side.usage.price is None), None)
        reason = f"{missing.model}: {missing.usage.note}" if missing else f"{against.model} costs nothing"
        raise InvalidRequestError(f"There is no price to compare with. {reason}.", code="unknown_price")
    return {
        "object": "price.comparison",
        "model": shape_prices(prices),
        "against": shape_prices(against),
        "times": ratios,
    }


def shape_prices(prices: ModelPrices) -> Json:
    """Return what a model costs."""
    return {
        "object": "model.prices",
        "model": prices.model,
        "provider": prices.place.name,
        "usd_per_unit": to_numbers(prices.by_unit()),
        "usage_note": prices.usage.note,
        "training_note": prices.training.note,
        "shutdown_date": prices.shutdown_date.isoformat() if prices.shutdown_date else None,
    }


def shape_entry(price: BookedPrice) -> Json:
    """Return an entry of the book."""
    return {
        "object": "price",
        "provider": price.provider,
        "models": price.pattern,
        "usd_per_unit": to_numbers(price.entry.units()),
        "source": price.source,
        "read_on": price.read_on.isoformat(),
        "valid_from": price.valid_from.isoformat(),
        "valid_until": price.valid_until.isoformat() if price.valid_until else None,
        "shutdown_date": price.entry.shutdown_date.isoformat() if price.entry.shutdown_date else None,
        "note": price.entry.note,
    }


def to_numbers(amounts: Mapping[str, Decimal]) -> dict[str, float]:
    """Return decimals as JSON numbers."""
    return {unit: float(amount) for unit, amount in amounts.items()}
