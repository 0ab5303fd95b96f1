"""Row batches in an Arrow file: where a store puts rows that are too many for memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.preparation.rows.row_batches import RowBatch


class RowFile:
    """Written once from the start, then read as often as wanted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def write(self, batch: RowBatch) -> None:
        """Add a batch. Not allowed any more once reading has begun."""
        record = _to_arrow(batch)
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self.path), record.schema)
        self._writer.write_batch(record)

    def read(self) -> Iterator[RowBatch]:
        """Walk over all batches."""
        self.close()
        with pa.OSFile(str(self.path), "rb") as source:
            reader = pa.ipc.open_file(source)
            for index in range(reader.num_record_batches):
                yield _from_arrow(reader.get_batch(index))

    def close(self) -> None:
        """Finish writing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _to_arrow(batch: RowBatch) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {
        "id": pa.array(batch.ids, pa.int64()),
        "line": pa.array(list(batch.lines), pa.int64()),
        "prompt": pa.array(batch.prompts, pa.string()),
        "completion": pa.array(batch.completions, pa.string()),
        "record": pa.array(batch.records, pa.string()),
    }
    for name, values in batch.extras.items():
        columns[f"extra:{name}"] = pa.array(values, pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _from_arrow(record: pa.RecordBatch) -> RowBatch:
    columns = {name: _to_list(column) for name, column in zip(record.schema.names, record.columns, strict=True)}
    return RowBatch(
        ids=columns["id"],
        lines=columns["line"],
        prompts=columns["prompt"],
        completions=columns["completion"],
        records=columns["record"],
        extras={name.removeprefix("extra:"): values for name, values in columns.items() if name.startswith("extra:")},
    )


def _to_list(column: pa.Array) -> list[Any]:
    """The values as Python has them; by numpy, in a fifth of the time that `to_pylist` takes for an object each. Most
    files hold no chat lines: their empty column costs nothing."""
    if pa.types.is_string(column.type) and not column.null_count and not pc.max(pc.binary_length(column)).as_py():
        return [""] * len(column)
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return values
