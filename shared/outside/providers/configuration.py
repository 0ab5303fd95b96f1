"""Who can be asked for text: the providers, from settings and `providers.toml`. Knows no wire format."""

import time
import tomllib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import StorymillError
from shared.outside.providers.connection_settings import (
    CONNECTION_FIELDS,
    ConnectionEntry,
    FieldError,
    read_connection,
)
from shared.outside.providers.fine_tuning_overrides import FineTuningEntry
from shared.outside.providers.provider_keys import LOOK_SECONDS, read_key, read_present_key
from shared.outside.providers.toml_lines import locate
from shared.settings import Settings

ENGINE: Final = "engine"
UPSTREAM: Final = "upstream"
OPENAI: Final = "openai"
OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
OPENAI_KEY: Final = "OPENAI_API_KEY"
OPENAI_MODELS: Final = (
    "gpt-*",
    "chatgpt-*",
    "o1*",
    "o3*",
    "o4*",
    "ft:gpt-*",
    "davinci-002",
    "babbage-002",
    "ft:*-002:*",
    "text-embedding-*",
    "*-moderation-*",
)
DEFAULT_CONCURRENCY: Final = 256
"""Calls in flight per worker process to one provider, when nothing is configured."""


class ProvidersFileError(StorymillError):
    """`providers.toml` cannot be used; the message names file, line and key."""


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """US dollars per million tokens."""

    input_usd_per_million: Decimal
    output_usd_per_million: Decimal
    cached_input_usd_per_million: Decimal | None = None
    """Of prompt tokens that the provider had in its cache; None where it makes no difference."""
    long_from: int | None = None
    """Prompts of more tokens than this cost `long`, all of them."""
    long: "TokenPrice | None" = None

    def at(self, prompt_tokens: int) -> "TokenPrice":
        """Return the price of a call with such a prompt."""
        is_long = self.long_from is not None and prompt_tokens > self.long_from
        return self.long if is_long and self.long is not None else self


@dataclass(frozen=True, slots=True)
class CapacityPrice:
    """US dollars of what is not a call: training by tokens or by the hour, a tuned model kept ready by the hour."""

    training_usd_per_million: Decimal | None = None
    training_usd_per_hour: Decimal | None = None
    hosting_usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One OpenAI-compatible server and what we know of it."""

    name: str
    base_url: str
    """Ends in `/v1` or the like, without a trailing slash."""
    api_key: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()
    """Shell patterns of model names that belong here even when `/models` does not list them."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    stream_usage: bool = True
    """Whether it knows `stream_options.include_usage`."""
    timeout_seconds: float = 600.0
    """For a whole call."""
    first_byte_timeout_seconds: float = 300.0
    """A call may wait that long in the provider's queue."""
    idle_timeout_seconds: float = 60.0
    """Longest silence inside a stream."""
    connect_timeout_seconds: float = 3.0
    """A server that answers nothing at all is away; a busy one takes the connection and lets us wait."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every request, over our own."""
    body: dict[str, Any] = field(default_factory=dict, hash=False)
    """Laid over every request for text."""
    ca_file: Path | None = None
    """Certificates that are trusted for it beside the rest."""
    prices: tuple[tuple[str, TokenPrice], ...] = ()
    """Shell pattern of the model name → price; the first match counts."""
    capacity_prices: tuple[tuple[str, CapacityPrice], ...] = ()
    """The same for training and hosting."""
    fine_tuning: tuple[tuple[str, Any], ...] = ()
    """Fields of `Capabilities` that differ from the table's."""
    prices_dir: Path | None = field(default=None, repr=False, compare=False)
    """The installation's own price files, which go before the built-in ones."""
    is_neighbour: bool = False
    """One of this installation's own processes: no proxy leads to it."""
    key_variable: str | None = None
    """Where the key came from: in a file it may change."""

    def claims(self, model: str) -> bool:
        """Say whether one of the configured patterns matches `model`."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def with_present_key(self) -> Self:
        """Return the provider with its key as that is now."""
        key = read_present_key(self.key_variable, self.api_key)
        return self if key == self.api_key else replace(self, api_key=key)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes."""

    provider: Provider
    model: str


@dataclass(slots=True)
class Providers:
    """All providers of this installation, the default first. A key in a file counts a second after it was changed."""

    known: tuple[Provider, ...]
    looked_at: float = field(default_factory=time.monotonic)

    @property
    def all(self) -> tuple[Provider, ...]:
        """Return them, with their keys as those are now."""
        if time.monotonic() - self.looked_at >= LOOK_SECONDS:
            self.looked_at = time.monotonic()
            self.known = tuple(provider.with_present_key() for provider in self.known)
        return self.known

    @property
    def default(self) -> Provider | None:
        """The provider of models that nobody else claims."""
        return self.all[0] if self.all else None

    def find(self, name: str) -> Provider | None:
        """Return the provider called `name`."""
        return next((provider for provider in self.all if provider.name == name), None)

    def candidates(self, model: str) -> tuple[Provider, ...]:
        """Return who may serve `model`: those that claim it by pattern, then the default."""
        claimed = tuple(provider for provider in self.all if provider.claims(model))
        return claimed + tuple(p for p in self.all[:1] if p not in claimed)


class ProviderPrice(BaseModel):
    """`[providers.NAME.prices."MODEL PATTERN"]`."""

    model_config = ConfigDict(extra="forbid")
    input_usd_per_million: Decimal | None = Field(None, ge=0)
    output_usd_per_million: Decimal | None = Field(None, ge=0)
    cached_input_usd_per_million: Decimal | None = Field(None, ge=0)
    training_usd_per_million: Decimal | None = Field(None, ge=0)
    training_usd_per_hour: Decimal | None = Field(None, ge=0)
    hosting_usd_per_hour: Decimal | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ValueError("input_usd_per_million and output_usd_per_million belong together")
        if not self.model_fields_set:
            raise ValueError("give at least one price")
        return self

    def token_price(self) -> TokenPrice | None:
        """Return what a call costs, if that is given."""
        if self.input_usd_per_million is None or self.output_usd_per_million is None:
            return None
        return TokenPrice(self.input_usd_per_million, self.output_usd_per_million, self.cached_input_usd_per_million)

    def capacity_price(self) -> CapacityPrice | None:
        """Return what training and hosting cost, if either is given."""
        price = CapacityPrice(self.training_usd_per_million, self.training_usd_per_hour, self.hosting_usd_per_hour)
        return price if price != CapacityPrice() else None


class ProviderEntry(ConnectionEntry):
    """`[providers.NAME]`: adds a provider, or overrides what is given here of a built-in one."""

    base_url: str | None = Field(None, pattern=r"^https?://")
    api_key_variable: str | None = None
    """Name of the environment variable that holds the key: keys do not stand in the file."""
    default: bool = False
    models: list[str] | None = None
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    concurrency: int | None = Field(None, ge=1)
    stream_usage: bool | None = None
    prices: dict[str, ProviderPrice] | None = None
    fine_tuning: FineTuningEntry | None = None


class ProvidersFile(BaseModel):
    """The whole of `providers.toml`."""

    model_config = ConfigDict(extra="forbid")
    providers: dict[str, ProviderEntry] = {}


def load_providers(settings: Settings) -> Providers:
    """Return the built-in providers, with `providers.toml` laid over them.

    Raises: ProvidersFileError that names what is wrong.
    """
    found = {provider.name: provider for provider in list_builtin(settings)}
    path = settings.providers_file
    entries = read_providers_file(path).providers if path else {}
    for name, entry in entries.items():
        assert path is not None
        found[name] = apply_entry(found.get(name), name, entry, path)
    preferred = [name for name, entry in entries.items() if entry.default]
    own = [replace(provider, prices_dir=settings.prices_dir) for provider in found.values()]
    return Providers(tuple(sorted(own, key=lambda provider: provider.name not in preferred)))


def list_builtin(settings: Settings) -> list[Provider]:
    """Return the default provider, and OpenAI when its key is set.

    With `upstream_url` the key of `OPENAI_API_KEY` is that server's: it is never sent to anybody else."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if settings.upstream_url:
        return [Provider(UPSTREAM, settings.upstream_url.rstrip("/"), key, key_variable=OPENAI_KEY)]
    engine = [Provider(ENGINE, settings.engine_url.rstrip("/"), is_neighbour=True)] if settings.engine_url else []
    openai = [Provider(OPENAI, OPENAI_BASE_URL, key, models=OPENAI_MODELS, key_variable=OPENAI_KEY)] if key else []
    return engine + openai


def read_providers_file(path: Path) -> ProvidersFile:
    """Parse `providers.toml`. Raises: ProvidersFileError with the file and place, when it is missing, no TOML, or not
    of this shape."""
    try:
        return ProvidersFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ProvidersFileError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProvidersFileError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for part in first["loc"] if part != "[key]"]
        raise ProvidersFileError(f"{locate(path, place)}: {first['msg'].removeprefix('Value error, ')}") from error


def apply_entry(known: Provider | None, name: str, entry: ProviderEntry, path: Path) -> Provider:
    """Return `known` with the fields of the entry over it, or a new provider.

    Raises: ProvidersFileError when a new one has no `base_url` or its key variable is not set.
    """
    if known is None and entry.base_url is None:
        raise ProvidersFileError(f"{locate(path, ('providers', name))}: base_url is missing")
    apart = {"default", "api_key_variable", "prices", "models", "base_url", "fine_tuning", *CONNECTION_FIELDS}
    changes: dict[str, Any] = entry.model_dump(exclude_none=True, exclude=apart)
    if entry.base_url is not None:  # a key belongs to its server
        keyless = {"api_key": None, "key_variable": None}
        changes |= {"base_url": entry.base_url.rstrip("/"), "is_neighbour": False, **keyless}
    try:
        changes |= read_connection(entry, path.parent)
        if entry.api_key_variable is not None:
            changes |= {"api_key": read_key(entry.api_key_variable), "key_variable": entry.api_key_variable}
    except FieldError as error:
        raise ProvidersFileError(f"{locate(path, ('providers', name, *error.place))}: {error}") from error
    if entry.models is not None:
        changes["models"] = tuple(entry.models)
    if entry.prices is not None:
        changes |= read_prices(entry.prices)
    if entry.fine_tuning is not None:
        changes["fine_tuning"] = tuple(entry.fine_tuning.model_dump(exclude_none=True).items())
    return replace(known or Provider(name, ""), **changes)


def read_prices(entries: dict[str, ProviderPrice]) -> dict[str, Any]:
    """Return the provider's fields of prices."""
    calls = ((pattern, entry.token_price()) for pattern, entry in entries.items())
    capacity = ((pattern, entry.capacity_price()) for pattern, entry in entries.items())
    return {
        "prices": tuple((pattern, price) for pattern, price in calls if price is not None),
        "capacity_prices": tuple((pattern, price) for pattern, price in capacity if price is not None),
    }
