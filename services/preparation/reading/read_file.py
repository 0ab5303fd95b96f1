"""The one way in: a path becomes a store of rows and an account of everything that was not plain."""

import gzip
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.choices import NO_CHOICES, ReadingChoices
from services.preparation.reading.delimited import read_delimited
from services.preparation.reading.json_array import read_json_array
from services.preparation.reading.json_lines import read_json_lines
from services.preparation.reading.plain_text import read_plain_text
from services.preparation.reading.row_sink import ReadingNote, ReadingProblem, RowSink, StoreSink
from services.preparation.reading.source_file import SourceFile, describe_file
from services.preparation.rows.preference import PREFERRED
from services.preparation.rows.row_store import RowStore

READERS = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "txt": read_plain_text,
    "json": read_json_array,
    "jsonl": read_json_lines,
}


@dataclass(slots=True)
class ReadFile:
    """A file that has been read. Close `store` when done."""

    source: SourceFile
    store: RowStore
    columns: list[str]
    problems: list[ReadingProblem]
    problem_count: int
    notes: list[ReadingNote]
    """The first ones."""
    noted: "dict[str, array[int]]"
    """Ids of all rows that were noted, by code."""
    set_notes: dict[str, str]
    """What is to be said of the file as a whole, by code."""
    sheet_count: int = 1

    @property
    def is_chat(self) -> bool:
        """Whether the rows are chat lines."""
        return "messages" in self.columns and "completion" not in [c.lower() for c in self.columns]

    @property
    def is_preference(self) -> bool:
        """Whether the rows are pairs of a preferred and a rejected answer."""
        return PREFERRED in self.columns


def read_file(path: Path, choices: ReadingChoices = NO_CHOICES) -> ReadFile:
    """Read a file of any supported kind.

    Raises:
        UnreadableFileError: nothing can be read at all; what is wrong with single lines is in `problems`.
        EncodingUnclearError: its encoding was not named, and several are about as likely.
    """
    source = describe_file(path, choices)
    sink = StoreSink(RowStore())
    try:
        sheets = feed_rows(source, sink)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        sink.store.close()
        raise UnreadableFileError(f"File {path} is a broken or truncated gzip file: {error}") from error
    except BaseException:
        sink.store.close()
        raise
    sink.flush()
    if source.guess:
        sink.note_set("encoding_guessed", f"read as {source.guess}")
        sink.noted["encoding_guessed"] = array("q", find_guessed_rows(sink.store))
    return ReadFile(
        source,
        sink.store,
        sink.columns,
        sink.problems,
        sink.problem_count,
        sink.notes,
        sink.noted,
        sink.set_notes,
        sheets,
    )


def find_guessed_rows(store: RowStore) -> Iterator[int]:
    """Yield the ids of the rows that another encoding would have made other texts of."""
    for batch in store.batches():
        for row_id, prompt, completion in zip(batch.ids, batch.prompts, batch.completions, strict=True):
            if not (prompt.isascii() and completion.isascii()):
                yield row_id


def feed_rows(source: SourceFile, sink: RowSink) -> int:
    """Read the file into any sink; returns the number of sheets (1 for all but workbooks)."""
    # Deferred: Arrow and openpyxl take a quarter of a second to import, and most files are text.
    if source.format in ("xlsx", "workbook"):
        from services.preparation.reading.workbook import read_workbook  # noqa: PLC0415

        return read_workbook(source, sink)
    if source.format in ("parquet", "arrow"):
        from services.preparation.reading.arrow_table import read_arrow_table  # noqa: PLC0415

        read_arrow_table(source, sink)
        return 1
    READERS[source.format](source, sink)
    return 1
