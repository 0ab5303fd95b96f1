"""What providers call their measures, in events and in result files, and what we call them."""

import math
from collections.abc import Mapping
from typing import Any, Final

from shared.outside.providers.border.result_file import read_result_lines
from shared.stores.db.repositories.fine_tuning_metrics import NewMetric

MEASURES: Final = {
    "train_loss": ("train_loss", "training_loss"),
    "train_sequence_accuracy": ("train_sequence_accuracy", "training_sequence_accuracy"),
    "train_token_accuracy": (
        "train_mean_token_accuracy",
        "train_token_accuracy",
        "training_token_accuracy",
        "train_accuracy",
    ),
    # The whole validation file says more than the sample of a step.
    "valid_loss": ("full_valid_loss", "valid_loss", "validation_loss"),
    "valid_sequence_accuracy": ("valid_sequence_accuracy", "validation_sequence_accuracy"),
    "valid_token_accuracy": (
        "full_valid_mean_token_accuracy",
        "valid_mean_token_accuracy",
        "valid_token_accuracy",
        "validation_token_accuracy",
        "valid_accuracy",
    ),
    "learning_rate": ("learning_rate",),
}
LARGEST_COUNT: Final = 2**62


def read_metric(data: Mapping[str, Any] | None) -> NewMetric | None:
    """Return what a step measured, of an event's data or a line of a result file; None where no step is named."""
    step = find_number(data or {}, ("step",))
    if data is None or step is None or not 0 <= step < 2**31:
        return None
    measures = {name: find_number(data, names) for name, names in MEASURES.items()}
    return NewMetric(int(step), find_count(data, "elapsed_tokens"), find_count(data, "elapsed_examples"), **measures)


def read_result_metrics(content: bytes) -> list[NewMetric] | None:
    """Return what a provider's result file says of each step; None when it is no such table."""
    lines = read_result_lines(content)
    return None if lines is None else [metric for line in lines if (metric := read_metric(line)) is not None]


def find_count(data: Mapping[str, Any], name: str) -> int | None:
    """Return a field that counts something."""
    number = find_number(data, (name,))
    return int(number) if number is not None and 0 <= number < LARGEST_COUNT else None


def find_number(data: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """Return the first of the fields that is a finite number, given as such or as text."""
    for name in names:
        value = data.get(name)
        if value is None or isinstance(value, bool) or value == "":
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(number):
            return number
    return None


def is_broken(data: Mapping[str, Any] | None) -> bool:
    """Say whether a loss is not a number any more."""
    losses = (str((data or {}).get(name)).lower() for name in (*MEASURES["train_loss"], *MEASURES["valid_loss"]))
    return any(loss.lstrip("+-") in {"nan", "inf", "infinity"} for loss in losses)
