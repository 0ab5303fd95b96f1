"""What the price routes answer, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class ShownPrice(BaseModel):
    """An entry of the price book."""

    object: Literal["price"]
    provider: str
    models: str
    usd_per_unit: dict[str, float]
    source: str
    read_on: str
    valid_from: str
    valid_until: str | None
    shutdown_date: str | None
    note: str | None


class ShownModelPrices(BaseModel):
    """What a model costs on a day."""

    object: Literal["model.prices"]
    model: str
    provider: str
    usd_per_unit: dict[str, float]
    usage_note: str
    training_note: str
    shutdown_date: str | None


class PriceComparison(BaseModel):
    """How many times as much one model costs as another, by unit."""

    object: Literal["price.comparison"]
    model: ShownModelPrices
    against: ShownModelPrices
    times: dict[str, float]
