"""A provider's result file, plain or in base64, made ours: what each step measured."""

import base64
import binascii
import csv
import io
from collections.abc import Iterator

from services.workers.fine_tuning.upstream.metric_names import read_metric
from shared.contracts.storable import decode_text
from shared.outside.providers.border.json_values import BYTE_ORDER_MARK
from shared.stores.db.repositories.fine_tuning_metrics import NewMetric


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
