"""What the estimate of a job answers, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class TrainingPrice(BaseModel):
    """What training costs, and who says so."""

    usd_per_million_tokens: float | None
    usd_per_hour: float | None
    note: str
    source: str | None
    valid_from: str | None


class JobEstimate(BaseModel):
    """What a job would take; null with a note where it cannot be told."""

    object: Literal["fine_tuning.estimate"]
    model: str
    base_model: str
    provider: str
    training_file: str
    rows: int
    replayed_rows: int
    tokens: int
    epochs: int
    billed_tokens: int
    usd: float | None
    usd_note: str
    seconds: float | None
    price: TrainingPrice
    tokens_note: str
    learning_rate_multiplier_hint: float | None
    shutdown_date: str | None
