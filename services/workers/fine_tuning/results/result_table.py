"""Our result file, in the columns of the legacy tool."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from shared.stores.db.models import FineTuningMetric

COLUMNS: Final = {
    "step": "step",
    "elapsed_tokens": "elapsed_tokens",
    "elapsed_examples": "elapsed_examples",
    "training_loss": "train_loss",
    "training_sequence_accuracy": "train_sequence_accuracy",
    "training_token_accuracy": "train_token_accuracy",
}
VALIDATION_COLUMNS: Final = {
    "validation_loss": "valid_loss",
    "validation_sequence_accuracy": "valid_sequence_accuracy",
    "validation_token_accuracy": "valid_token_accuracy",
}


def write_result_table(metrics: Sequence[FineTuningMetric]) -> bytes:
    """Return our table: numbers only, empty where nothing was measured; the columns of validation where it was."""
    validated = {
        name: field
        for name, field in VALIDATION_COLUMNS.items()
        if any(getattr(metric, field) is not None for metric in metrics)
    }
    columns = COLUMNS | validated
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(write_row(metric, columns.values()) for metric in metrics if metric.step > 0)
    return text.getvalue().encode()


def write_row(metric: FineTuningMetric, fields: Iterable[str]) -> list[object]:
    """Return a step's line."""
    return ["" if getattr(metric, field) is None else getattr(metric, field) for field in fields]
