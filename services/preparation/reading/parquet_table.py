"""A Parquet table, record batch by record batch."""

import pyarrow as pa
import pyarrow.parquet as pq

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.json_values import ObjectReader
from services.preparation.reading.row_sink import RowSink
from services.preparation.reading.source_file import SourceFile
from services.preparation.rows.row_batches import ROWS_PER_BATCH


def read_parquet_table(source: SourceFile, sink: RowSink) -> None:
    """Read all rows into the sink; `line` is the 1-based row number.

    Raises:
        UnreadableFileError: the file is broken.
    """
    reader = ObjectReader(sink)
    number = 0
    try:
        with source.open_binary() as raw:
            table = pq.ParquetFile(pa.BufferReader(raw.read()) if source.is_gzip else raw)
            for batch in table.iter_batches(batch_size=ROWS_PER_BATCH):
                for value in batch.to_pylist():
                    number += 1
                    reader.read(_without_null_keys(value), number, "")
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(f"File {source.path} is not a readable Parquet file: {error}", number + 1) from error


def _without_null_keys(value: dict[str, object]) -> dict[str, object]:
    """Arrow gives every message all keys that any message has; the absent ones are null."""
    messages = value.get("messages")
    if isinstance(messages, list):
        kept = [
            {k: v for k, v in m.items() if v is not None or k == "content"} if isinstance(m, dict) else m
            for m in messages
        ]
        return {**{k: v for k, v in value.items() if v is not None}, "messages": kept}
    return value
