"""The price book: every price file, built in and the installation's own, asked by provider, model and day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from shared.outside.prices.model_names import names_to_try
from shared.outside.prices.schema import PriceEntry, PriceFile, PriceFileError, read_price_file
from shared.outside.providers.configuration import Provider

BUILT_IN_PRICES: Final = Path(__file__).resolve().parents[3] / "data" / "prices"

USAGE: Final[tuple[str, ...]] = ("input",)
TRAINING: Final[tuple[str, ...]] = ("training_token", "training_hour")
HOSTING: Final[tuple[str, ...]] = ("hosting_hour",)


@dataclass(frozen=True, slots=True)
class BookedPrice:
    """An entry with what its file says of all its entries."""

    provider: str
    hosts: tuple[str, ...]
    pattern: str
    entry: PriceEntry
    source: str
    read_on: date
    valid_from: date
    valid_until: date | None
    is_own: bool
    """From the installation's own folder, which goes before the built-in files."""

    def is_valid(self, on: date) -> bool:
        """Say whether the price counts on that day."""
        return self.valid_from <= on and (self.valid_until is None or on <= self.valid_until)

    def has(self, units: Sequence[str]) -> bool:
        """Say whether it tells any of the units."""
        return any(getattr(self.entry, unit) is not None for unit in units)

    def describe(self) -> str:
        """Return the ledger's note."""
        note = f"; {self.entry.note}" if self.entry.note else ""
        return (
            f"{self.provider} {self.pattern}: {self.source}, read on {self.read_on}, valid from {self.valid_from}{note}"
        )

    @property
    def rank(self) -> tuple[bool, int, date]:
        """What goes first, highest first: our own, the longest pattern, the latest."""
        return self.is_own, len(self.pattern), self.valid_from


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All prices. Asked for a provider of ours, or for a provider by the name that the files give it."""

    prices: tuple[BookedPrice, ...]

    @classmethod
    def load(cls, own: Path | None) -> Self:
        """Read the built-in files and those of `own`. Raises: PriceFileError when `own` is no folder, or a file cannot
        be read."""
        if own is not None and not own.is_dir():
            raise PriceFileError(f"STORYMILL_PRICES_DIR: {own} is not a folder")
        found = list(read_folder(BUILT_IN_PRICES, is_own=False))
        if own is not None:
            found += read_folder(own, is_own=True)
        return cls(tuple(found))

    def find(self, provider: Provider | str, model: str, units: Sequence[str], on: date) -> BookedPrice | None:
        """Return the price that counts that day. A tuned model has its base's training price, but not its usage."""
        for name in names_to_try(model, with_base=units != USAGE):
            valid = [price for price in self._about(provider, name) if price.has(units) and price.is_valid(on)]
            if valid:
                return max(valid, key=lambda price: price.rank)
        return None

    def find_expired(self, provider: Provider | str, model: str, units: Sequence[str], on: date) -> BookedPrice | None:
        """Return the latest price that was valid before that day."""
        for name in names_to_try(model, with_base=units != USAGE):
            past = [price for price in self._about(provider, name) if price.has(units) and price.valid_from <= on]
            if past:
                return max(past, key=lambda price: price.valid_from)
        return None

    def find_shutdown_date(self, provider: Provider | str, model: str) -> date | None:
        """Return the day from which the provider does not serve the model; a tuned one goes with its base."""
        for name in names_to_try(model, with_base=True):
            dated = [price for price in self._about(provider, name) if price.entry.shutdown_date is not None]
            if dated:
                return max(dated, key=lambda price: price.rank).entry.shutdown_date
        return None

    def list_prices(self, provider: str | None, model: str | None, on: date | None) -> list[BookedPrice]:
        """Return entries, by provider, pattern and time; `model` may be a name or a part of a pattern."""
        found = [
            price
            for price in self.prices
            if (provider is None or price.provider == provider)
            and (on is None or price.is_valid(on))
            and (model is None or fnmatchcase(model, price.pattern) or model in price.pattern)
        ]
        return sorted(found, key=lambda price: (price.provider, price.pattern, price.valid_from))

    def _about(self, provider: Provider | str, name: str) -> list[BookedPrice]:
        called, host = identify(provider)
        return [price for price in self.prices if fnmatchcase(name, price.pattern) and belongs_to(price, called, host)]


def identify(provider: Provider | str) -> tuple[str, str | None]:
    """Return a provider's name and the host it is at; no host for one that is known by name alone."""
    if isinstance(provider, str):
        return provider, None
    return provider.name, urlsplit(provider.base_url).hostname or ""


def belongs_to(price: BookedPrice, called: str, host: str | None) -> bool:
    """Say whether a price is this provider's: by the host of its address, else by name."""
    if host is None or not price.hosts:
        return price.provider == called
    return any(fnmatchcase(host, pattern) for pattern in price.hosts)


def read_folder(folder: Path, *, is_own: bool) -> Iterable[BookedPrice]:
    """Yield the prices of every `*.toml` of a folder. Raises: PriceFileError at the first file that cannot be read."""
    for path in sorted(folder.glob("*.toml")):
        yield from book_file(read_price_file(path), is_own=is_own)


def book_file(file: PriceFile, *, is_own: bool) -> Iterable[BookedPrice]:
    """Yield the prices of a file, one for each pattern."""
    for entry in file.price:
        for pattern in entry.models:
            yield BookedPrice(
                provider=file.provider,
                hosts=tuple(file.hosts),
                pattern=pattern,
                entry=entry,
                source=entry.source or file.source,
                read_on=entry.read_on or file.read_on,
                valid_from=entry.valid_from or file.valid_from or file.read_on,
                valid_until=entry.valid_until or file.valid_until,
                is_own=is_own,
            )


@lru_cache(maxsize=16)
def load_price_book(own: Path | None = None) -> PriceBook:
    """Return the book, read once for each folder of the installation's own. Raises: PriceFileError when a file of it
    cannot be read."""
    return PriceBook.load(own)
