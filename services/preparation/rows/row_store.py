"""A store of rows: in memory while they are few, else in a file on disk."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from services.preparation.rows.row_batches import RowBatch

if TYPE_CHECKING:
    from services.preparation.rows.row_file import RowFile

MEMORY_LIMIT_CHARACTERS: Final = 64_000_000
"""Below this the rows stay in memory: a million short rows, or 10^5 stories."""


class RowStore:
    """Rows appended once and walked many times: in memory while small, else in an Arrow file.

    Use as a context manager, or call `close`: the file lives in a temporary folder of its own.
    """

    def __init__(self, memory_limit_characters: int = MEMORY_LIMIT_CHARACTERS) -> None:
        self.row_count = 0
        self._memory: list[RowBatch] = []
        self._characters = 0
        self.largest_batch_characters = 0
        self._limit = memory_limit_characters
        self._folder: TemporaryDirectory[str] | None = None
        self._file: RowFile | None = None

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
        characters = batch.characters
        self.largest_batch_characters = max(self.largest_batch_characters, characters)
        if self.is_spilled:
            assert self._file is not None
            self._file.write(batch)
            return
        self._memory.append(batch)
        self._characters += characters
        if self._characters > self._limit:
            self._spill()

    def batches(self) -> Iterator[RowBatch]:
        """Walk over all rows in order. Appending meanwhile is not allowed once rows have spilled."""
        if not self.is_spilled:
            yield from self._memory
            return
        assert self._file is not None
        yield from self._file.read()

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

    def finish_file(self) -> Path | None:
        """Return the file that the rows lie in, ready to be read by others; None while they are in memory. Nothing can
        be appended any more."""
        if self._file is None:
            return None
        self._file.close()
        return self._file.path

    def close(self) -> None:
        """Drop the rows and the file behind them."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._memory.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _spill(self) -> None:
        # Deferred: small files never need Arrow, which takes a while to import.
        from services.preparation.rows.row_file import RowFile  # noqa: PLC0415

        self._folder = TemporaryDirectory(prefix="storymill-rows-", ignore_cleanup_errors=True)
        self._file = RowFile(Path(self._folder.name) / "rows.arrow")
        self._memory.reverse()
        while self._memory:  # each is forgotten once it is written: together they are twice their size by then
            self._file.write(self._memory.pop())
