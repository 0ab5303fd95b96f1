"""Several files as one: their rows one after another, in one form, with what was noticed while each was read."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.preparation.errors import UnusableRowsError
from services.preparation.reading.gathering import keep_extras
from services.preparation.reading.read_file import ReadFile
from services.preparation.reading.table_header import suggest_columns
from services.preparation.rows.formats import to_chat
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore


def join_files(reads: Sequence[ReadFile], stratify: str | None, system: str | None) -> ReadFile:
    """Return all rows as of one file; they are chat lines where any are. The stores of the files are closed.

    Raises: UnusableRowsError for a file of pairs that lacks a column.
    """
    is_chat = any(read.is_chat for read in reads)
    columns = ["messages"] if is_chat else ["prompt", "completion"]
    joined = ReadFile(reads[0].source, RowStore(), columns, [], 0, [], {}, {})
    for read in reads:
        if not (read.is_chat or {"prompt", "completion"} <= {name.lower() for name in read.columns}):
            message = f"{read.source.path} has no prompt and completion.{suggest_columns(read.columns)}"
            raise UnusableRowsError(message, "necessary_column")
        batches: Iterable[RowBatch] = read.store.batches()
        _add(joined, read, to_chat(batches, system) if is_chat and not read.is_chat else batches, stratify)
        read.store.close()
    return joined


def _add(joined: ReadFile, read: ReadFile, batches: Iterable[RowBatch], stratify: str | None) -> None:
    start = joined.store.row_count
    for code, rows in read.noted.items():
        joined.noted.setdefault(code, array("q")).extend(start + row for row in rows)
    for code, detail in read.set_notes.items():
        told = joined.set_notes.get(code)
        here = f"{read.source.path.name}: {detail}"
        joined.set_notes[code] = f"{told}; {here}" if told else here
    for batch in batches:
        first = joined.store.row_count
        ids = list(range(first, first + len(batch)))
        joined.store.append(replace(batch, ids=ids, extras=keep_extras(batch, stratify)))
