"""Rows in batches, and a store of them that spills to disk.

Everything in this package walks over batches; nothing holds all texts of a large file at once.
A row's id is its position among the readable rows of its source and never changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import pyarrow as pa

ROWS_PER_BATCH = 1024
# Below this many characters the rows stay in memory: a million short rows, or 10^5 stories.
MEMORY_LIMIT_CHARACTERS = 64_000_000


@dataclass(slots=True)
class RowBatch:
    """Consecutive rows. `records` holds the chat line as JSON, or "" for prompt-completion rows.

    `ids` are ascending; `lines` are 1-based source lines (sheet or table rows where there are no lines).
    """

    ids: list[int]
    lines: list[int]
    prompts: list[str]
    completions: list[str]
    records: list[str]
    extras: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def characters(self) -> int:
        """The size of the texts, chat lines included, in characters."""
        return sum(map(len, self.prompts)) + sum(map(len, self.completions)) + sum(map(len, self.records))

    def select(self, positions: list[int]) -> "RowBatch":
        """A batch of the rows at these positions of this batch, in the given order."""
        return RowBatch(
            ids=[self.ids[i] for i in positions],
            lines=[self.lines[i] for i in positions],
            prompts=[self.prompts[i] for i in positions],
            completions=[self.completions[i] for i in positions],
            records=[self.records[i] for i in positions],
            extras={name: [values[i] for i in positions] for name, values in self.extras.items()},
        )


class RowStore:
    """Rows appended once and walked many times: in memory while small, else in an Arrow file.

    Use as a context manager, or call `close`: the file lives in a temporary folder of its own.
    """

    def __init__(self, memory_limit_characters: int = MEMORY_LIMIT_CHARACTERS) -> None:
        self.row_count = 0
        self._memory: list[RowBatch] = []
        self._characters = 0
        self._limit = memory_limit_characters
        self._folder: TemporaryDirectory[str] | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_spilled(self) -> bool:
        """Whether the rows lie on disk."""
        return self._folder is not None

    def append(self, batch: RowBatch) -> None:
        """Add rows after the last ones. Empty batches are ignored."""
        if not batch.ids:
            return
        self.row_count += len(batch)
        if self.is_spilled:
            self._write(batch)
            return
        self._memory.append(batch)
        self._characters += batch.characters
        if self._characters > self._limit:
            self._spill()

    def batches(self) -> Iterator[RowBatch]:
        """Walk over all rows in order. Appending meanwhile is not allowed once rows have spilled."""
        if not self.is_spilled:
            yield from self._memory
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        with pa.OSFile(str(self._path), "rb") as source:
            reader = pa.ipc.open_file(source)
            for index in range(reader.num_record_batches):
                yield _from_arrow(reader.get_batch(index))

    def rows(self, wanted: list[int]) -> dict[int, tuple[str, str]]:
        """The (prompt, completion) of some rows by id; unknown ids are left out. One walk over the store."""
        missing = set(wanted)
        found: dict[int, tuple[str, str]] = {}
        for batch in self.batches():
            if not missing:
                break
            if batch.ids[-1] < min(missing):
                continue
            for row_id, prompt, completion in zip(batch.ids, batch.prompts, batch.completions, strict=True):
                if row_id in missing:
                    found[row_id] = (prompt, completion)
                    missing.discard(row_id)
        return found

    def close(self) -> None:
        """Drop the rows and the file behind them."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._memory.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "rows.arrow"

    def _spill(self) -> None:
        # Not cleaned by the finalizer's warning path: `close` is the owner.
        self._folder = TemporaryDirectory(prefix="storymill-rows-", ignore_cleanup_errors=True)
        waiting, self._memory = self._memory, []
        for batch in waiting:
            self._write(batch)

    def _write(self, batch: RowBatch) -> None:
        record = _to_arrow(batch)
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._path), record.schema)
        self._writer.write_batch(record)


def _to_arrow(batch: RowBatch) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {
        "id": pa.array(batch.ids, pa.int64()),
        "line": pa.array(batch.lines, pa.int64()),
        "prompt": pa.array(batch.prompts, pa.string()),
        "completion": pa.array(batch.completions, pa.string()),
        "record": pa.array(batch.records, pa.string()),
    }
    for name, values in batch.extras.items():
        columns[f"extra:{name}"] = pa.array(values, pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _from_arrow(record: pa.RecordBatch) -> RowBatch:
    columns = record.to_pydict()
    return RowBatch(
        ids=columns["id"],
        lines=columns["line"],
        prompts=columns["prompt"],
        completions=columns["completion"],
        records=columns["record"],
        extras={name.removeprefix("extra:"): values for name, values in columns.items() if name.startswith("extra:")},
    )
