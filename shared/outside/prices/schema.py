"""A price file (`data/prices/*.toml`): what may stand in it, and errors that say where it is wrong."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import StorymillError

Usd = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=9)]


class PriceFileError(StorymillError):
    """A price file cannot be used; the message names file, entry and key."""


class PriceEntry(BaseModel):
    """`[[price]]`: what some models cost in one period. Token prices are US dollars per million."""

    model_config = ConfigDict(extra="forbid")

    models: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(min_length=1)
    """Names, or shell patterns; the longest that matches counts."""
    input: Usd | None = None
    cached_input: Usd | None = None
    output: Usd | None = None
    training_token: Usd | None = None
    training_hour: Usd | None = None
    hosting_hour: Usd | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    """The last day."""
    shutdown_date: date | None = None
    """From then on the provider does not serve the model."""
    source: str | None = None
    read_on: date | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("input and output belong together")
        if self.cached_input is not None and self.input is None:
            raise ValueError("cached_input needs input")
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        if self.units() == {} and self.shutdown_date is None:
            raise ValueError("give at least one price, or a shutdown_date")
        return self

    def units(self) -> dict[str, Decimal]:
        """Return the prices that are given, by unit."""
        names = ("input", "cached_input", "output", "training_token", "training_hour", "hosting_hour")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class PriceFile(BaseModel):
    """One file: a provider, and where and when its prices were read. An entry may say its own."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    hosts: list[str] = []
    """A provider is this one if its base URL leads here; without hosts, if it is called so."""
    source: str = Field(min_length=1)
    read_on: date
    valid_from: date | None = None
    valid_until: date | None = None
    price: list[PriceEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.valid_from is None and any(entry.valid_from is None for entry in self.price):
            raise ValueError("say valid_from for the file or for every price")
        return self


def read_price_file(path: Path) -> PriceFile:
    """Parse one file; numbers are read as exact decimals. Raises: PriceFileError with the file and place, when it is
    missing, no TOML, or not of this shape."""
    try:
        return PriceFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    except OSError as error:
        raise PriceFileError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceFileError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise PriceFileError(f"{path}: {describe_problem(error.errors()[0])}") from error


def describe_problem(problem: Any) -> str:
    """Return pydantic's finding with its place: `price 3, input: …`."""
    place = [f"price {part + 1}" if isinstance(part, int) else str(part) for part in problem["loc"]]
    where = ", ".join(part for part in place if part != "price" or len(place) == 1)
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
