"""The curves of a fine-tuning job, out of what its steps measured, for the terminal's plot and the picture."""

import math
from dataclasses import dataclass
from typing import Any, Literal

SMOOTHING_STEPS = 10
"""About so many steps share in a point of a training curve: single steps of a few stories jump."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve. Losses are in nats per token, accuracies from 0 to 1."""

    name: str
    kind: Literal["loss", "accuracy"]
    side: Literal["training", "validation"]
    steps: list[int]
    values: list[float]

    def smooth(self) -> "Series":
        """Return the moving average; a validation, which covers all its rows, stays as it is."""
        if self.side == "validation":
            return self
        return Series(self.name, self.kind, self.side, self.steps, average_ahead(self.values))


COLUMNS: tuple[tuple[str, str, Literal["loss", "accuracy"], Literal["training", "validation"]], ...] = (
    ("train_loss", "training loss", "loss", "training"),
    ("valid_loss", "validation loss", "loss", "validation"),
    ("train_token_accuracy", "training token accuracy", "accuracy", "training"),
    ("valid_token_accuracy", "validation token accuracy", "accuracy", "validation"),
)


def collect_series(metrics: list[dict[str, Any]]) -> list[Series]:
    """Return the curves that have points, in the order of their importance; numbers that are not finite are left
    out."""
    found = []
    for column, name, kind, side in COLUMNS:
        points = [(row["step"], row[column]) for row in metrics if is_finite(row.get(column))]
        if points:
            found.append(Series(name, kind, side, [step for step, _ in points], [value for _, value in points]))
    return found


def is_finite(value: object) -> bool:
    """Say whether a measured value can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)


def average_ahead(values: list[float]) -> list[float]:
    """Return the exponential moving average, started at the first values' mean and not at zero."""
    weight = 2 / (SMOOTHING_STEPS + 1)
    averages: list[float] = []
    for number, value in enumerate(values, start=1):
        share = max(weight, 1 / number)
        averages.append(value if not averages else averages[-1] + share * (value - averages[-1]))
    return averages
