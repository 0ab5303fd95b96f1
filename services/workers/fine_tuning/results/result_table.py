"""Result files: what a provider's holds, plain or in base64, and ours, in the columns of the legacy tool."""

import base64
import binascii
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.workers.fine_tuning.upstream.metric_names import read_metric
from shared.contracts.storable import decode_text
from shared.outside.providers.border.json_values import BYTE_ORDER_MARK
from shared.stores.db.models import FineTuningMetric
from shared.stores.db.repositories.fine_tuning_metrics import NewMetric

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


def parse_result_table(content: bytes) -> list[NewMetric] | None:
    """Return what a provider's result file says of each step; None when it is no such table."""
    text = decode_table(content)
    if text is None:
        return None
    return [metric for row in read_rows(text) if (metric := read_metric(row)) is not None]


def read_rows(text: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table, up to one that cannot be read."""
    try:
        yield from csv.DictReader(io.StringIO(text))
    except csv.Error:
        return


def decode_table(content: bytes) -> str | None:
    """Return the text of a table that has a `step` column; one in base64 is decoded."""
    for candidate in (content, decode_base64(content)):
        text = decode_text((candidate or b"").removeprefix(BYTE_ORDER_MARK))
        header = text.partition("\n")[0].strip().split(",")
        if "step" in (name.strip().strip('"') for name in header):
            return text
    return None


def decode_base64(content: bytes) -> bytes | None:
    """Return what base64 stands for; None when it is none."""
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return None


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
