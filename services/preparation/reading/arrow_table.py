"""Parquet and Arrow tables (as Hugging Face's `datasets` keeps them), record batch by record batch."""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.json_values import ObjectReader
from services.preparation.reading.row_sink import RowSink
from services.preparation.reading.source_file import SourceFile
from services.preparation.rows.row_batches import ROWS_PER_BATCH


def read_arrow_table(source: SourceFile, sink: RowSink) -> None:
    """Read all rows into the sink; `line` is the 1-based row number.

    Raises:
        UnreadableFileError: the file is broken.
    """
    reader = ObjectReader(sink, source.choices)
    number = 0
    try:
        with source.open_binary() as raw:
            for batch in _open(source, raw):
                for value in batch.to_pylist():
                    number += 1
                    reader.read(_without_null_keys(value), number, "")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        kind = "Parquet" if source.format == "parquet" else "Arrow"
        raise UnreadableFileError(f"File {source.path} is not a readable {kind} file: {error}", number + 1) from error


def _open(source: SourceFile, raw: IO[bytes]) -> Iterator[Any]:
    seekable = pa.BufferReader(raw.read()) if source.is_gzip else raw
    if source.format == "parquet":
        return pq.ParquetFile(seekable).iter_batches(batch_size=ROWS_PER_BATCH)  # type: ignore[no-any-return]
    is_file = seekable.read(6) == b"ARROW1"
    seekable.seek(0)
    return _in_batches(pa.ipc.open_file(seekable) if is_file else pa.ipc.open_stream(seekable), is_file)


def _in_batches(reader: Any, is_file: bool) -> Iterator[Any]:
    """Yield slices of a batch of rows: those of the file may hold all rows at once. Raises: ArrowInvalid for a damaged
    one."""
    whole = (reader.get_batch(at) for at in range(reader.num_record_batches)) if is_file else reader
    for batch in whole:
        batch.validate(full=True)  # what is damaged may point outside of its memory
        for start in range(0, batch.num_rows, ROWS_PER_BATCH):
            yield batch.slice(start, ROWS_PER_BATCH)


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
