"""What it costs to keep a tuned model ready, by the hour. Most providers charge nothing for that."""

from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from shared.outside.prices.book import HOSTING, load_price_book
from shared.outside.providers.configuration import Provider


def find_hosting_price(provider: Provider, model: str, on: date) -> Decimal | None:
    """Return dollars per hour: as `providers.toml` says, else as the price book does; None where neither does."""
    for pattern, price in provider.capacity_prices:
        if fnmatchcase(model, pattern) and price.hosting_usd_per_hour is not None:
            return price.hosting_usd_per_hour
    booked = load_price_book(provider.prices_dir).find(provider, model, HOSTING, on)
    return booked.entry.hosting_hour if booked else None
