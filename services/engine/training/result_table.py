"""The result file of a job: plain CSV, in the columns of the legacy tool and validation beside them."""

import csv
import io
from collections.abc import Sequence
from typing import Any

COLUMNS = (
    "step",
    "elapsed_tokens",
    "elapsed_examples",
    "training_loss",
    "training_sequence_accuracy",
    "training_token_accuracy",
)
VALIDATION_COLUMNS = ("validation_loss", "validation_token_accuracy")


def write_result_table(metrics: Sequence[dict[str, Any]]) -> bytes:
    """Return the CSV: a row per step, numbers only, empty where not measured."""
    has_validation = any("validation_loss" in row for row in metrics)
    columns = COLUMNS + (VALIDATION_COLUMNS if has_validation else ())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in metrics if row["step"] > 0)
    return text.getvalue().encode()
