"""The first rows as they would be learned, before anything is written."""

import json
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.preparation.findings.catalog import CATALOG
from services.preparation.reading.read_file import ReadFile
from services.preparation.reading.table_header import is_header, suggest_columns
from services.preparation.rows.preference import split_pairs
from services.preparation.rows.row_batches import REJECTED_COLUMN, RowBatch

SHOWN_CHARACTERS = 500


def print_preview(console: Console, read: ReadFile, at_most: int) -> None:
    """Print what was read as what, what was noticed, and the first rows."""
    source = read.source
    sureness = " (guessed)" if source.guess else ""
    console.print(Text(f"{source.path}: {source.format}, {source.encoding}{sureness}, {read.store.row_count:,} rows"))
    for code, detail in read.set_notes.items():
        console.print(Text(f"{code}: {CATALOG[code].reason} ({detail})", style="yellow"))
    for code, rows in read.noted.items():
        console.print(Text(f"{code}: {CATALOG[code].reason} ({len(rows):,} rows)", style="yellow"))
    for problem in read.problems[:at_most]:
        told = f"line {problem.line}, column {problem.column}: {problem.code}: {problem.message}"
        console.print(Text(told, style="red"))
    if not (read.is_chat or read.is_preference or is_header(read.columns)):
        console.print(Text(suggest_columns(read.columns).strip(), style="red"))
    table = Table("line", "prompt", "completion", *(["rejected"] if read.is_preference else []), show_lines=True)
    for cells in _first_rows(read, at_most):
        table.add_row(*(Text(cell[:SHOWN_CHARACTERS]) for cell in cells))
    console.print(table)


def _first_rows(read: ReadFile, at_most: int) -> Iterator[list[str]]:
    batches = split_pairs(read.store.batches()) if read.is_preference else read.store.batches()
    first = next(iter(batches), None)
    for at in range(min(at_most, len(first)) if first else 0):
        assert first is not None
        yield [str(first.lines[at]), *_texts_of(first, at)]


def _texts_of(batch: RowBatch, at: int) -> list[str]:
    if REJECTED_COLUMN in batch.extras:
        return [batch.prompts[at], batch.completions[at], batch.extras[REJECTED_COLUMN][at]]
    if not batch.records[at]:
        return [batch.prompts[at], batch.completions[at]]
    messages = json.loads(batch.records[at]).get("messages")
    told = [f"{one.get('role')}: {one.get('content')}" for one in messages or [] if isinstance(one, dict)]
    return ["\n".join(told[:-1]), told[-1] if told else ""]
