"""Reading just as the public tool did, its messages and its limits included.

Plain files go through our own readers, which agree with pandas on them; everything else is given to pandas itself,
so that odd input comes out as oddly as it did then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.preparation.conversation.outcome import CheckOutcome
from services.preparation.errors import DatasetError
from services.preparation.reading.read_file import read_file
from services.preparation.rows.row_batches import ROWS_PER_BATCH, RowBatch
from services.preparation.rows.row_store import RowStore

PLAIN_FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".txt": "txt"}


@dataclass(slots=True)
class ParityInput:
    """The rows and the message about the format; `store` is None when the outcome is an error."""

    store: RowStore | None
    columns: list[str]
    outcome: CheckOutcome


def read_like_the_public_tool(path: str) -> ParityInput:
    """Read `path` by its extension."""
    name = "read_any_format"
    if not Path(path).is_file():
        return ParityInput(None, [], CheckOutcome(name, error=f"File {path} does not exist."))
    extension = _extension(path)
    if extension not in {".csv", ".tsv", ".xlsx", ".txt", ".json", ".jsonl"}:
        return ParityInput(None, [], CheckOutcome(name, error=_unknown_extension(path)))
    try:
        store, columns, outcome = _read(path, extension)
    except (ValueError, TypeError):
        kind = path.rsplit(".", maxsplit=1)[-1].upper()
        error = (
            f"Your file `{path}` does not appear to be in valid {kind} format. Please ensure your file is formatted as "
            f"a valid {kind} file."
        )
        return ParityInput(None, [], CheckOutcome(name, _announcement(extension), error=error))
    return ParityInput(store, columns, outcome)


def _extension(path: str) -> str:
    lowered = path.lower()
    return next((e for e in (".csv", ".tsv", ".xlsx", ".txt", ".jsonl", ".json") if lowered.endswith(e)), "")


def _unknown_extension(path: str) -> str:
    error = "Your file must have one of the following extensions: .CSV, .TSV, .XLSX, .TXT, .JSON or .JSONL"
    if "." not in path:
        return f"{error} Your file `{path}` is missing a file extension."
    last = path.rsplit(".", maxsplit=1)[-1]
    return f"{error} Your file `{path}` ends with the extension `.{last}` which is not supported."


def _announcement(extension: str) -> str | None:
    return {
        ".csv": "\n- Based on your file extension, your file is formatted as a CSV file",
        ".tsv": "\n- Based on your file extension, your file is formatted as a TSV file",
        ".xlsx": "\n- Based on your file extension, your file is formatted as an Excel file",
        ".txt": "\n- Based on your file extension, you provided a text file",
    }.get(extension)


def _read(path: str, extension: str) -> tuple[RowStore, list[str], CheckOutcome]:
    message, necessary = _announcement(extension), None
    if extension in (".csv", ".tsv", ".xlsx", ".txt"):
        necessary = f"Your format `{extension[1:].upper()}` will be converted to `JSONL`"
    plain = _read_plain(Path(path), extension)
    if plain:
        return (*plain, CheckOutcome("read_any_format", message, necessary))
    # Deferred: pandas takes half a second to import, and plain files do without it.
    from services.preparation.conversation.pandas_reading import read_with_pandas  # noqa: PLC0415

    table = read_with_pandas(path, extension)
    outcome = CheckOutcome(
        "read_any_format", (message or "") + (table.extra_message or "") or None, table.necessary or necessary
    )
    return _store_rows(table.columns, table.values), table.columns, outcome


def _read_plain(path: Path, extension: str) -> tuple[RowStore, list[str]] | None:
    """The rows, when nothing about the file is out of the ordinary; else None."""
    if extension not in PLAIN_FORMATS:
        return None
    try:
        read = read_file(path)
    except DatasetError:
        return None
    source = read.source
    odd_notes = bool(read.noted.keys() - {"word_read_as_empty"})
    same_delimiter = source.delimiter == ("\t" if extension == ".tsv" else ",")
    encodings = ("utf-8", "utf-8-sig") if extension == ".csv" else ("utf-8",)
    is_plain = (
        not (read.problem_count or odd_notes or read.set_notes or source.is_gzip)
        and source.format == PLAIN_FORMATS[extension]
        and source.encoding in encodings
        and same_delimiter
        and len({*read.columns, ""}) == len(read.columns) + 1
        and not (extension == ".jsonl" and (read.store.row_count < 2 or set(read.columns) != {"prompt", "completion"}))
    )
    if is_plain:
        return read.store, read.columns
    read.store.close()
    return None


def _store_rows(columns: list[str], values: dict[str, list[str]]) -> RowStore:
    store = RowStore()
    for batch in _batches(columns, values):
        store.append(batch)
    return store


def _batches(columns: list[str], values: dict[str, list[str]]) -> Iterator[RowBatch]:
    lowered = {column.lower(): column for column in reversed(columns)}
    total = len(next(iter(values.values()), []))
    blank = [""] * total
    prompts = values.get("prompt", values.get(lowered.get("prompt", ""), blank))
    completions = values.get("completion", values.get(lowered.get("completion", ""), blank))
    for start in range(0, total, ROWS_PER_BATCH):
        ids = list(range(start, min(start + ROWS_PER_BATCH, total)))
        end = start + ROWS_PER_BATCH
        yield RowBatch(ids, [i + 1 for i in ids], prompts[start:end], completions[start:end], [""] * len(ids))
