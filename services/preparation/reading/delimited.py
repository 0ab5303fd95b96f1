"""Comma- or tab-separated text, read tolerantly: a broken record costs itself, not the file.

Agrees with pandas (C parser, all columns as text) on well-formed files, its empty-cell words included.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Self

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.json_values import ObjectReader, needs_objects
from services.preparation.reading.regular_table import DecodedChunks, RegularTable
from services.preparation.reading.row_sink import ReadingProblem, RowSink, find_column
from services.preparation.reading.source_file import KEEP_BYTES, SourceFile
from services.preparation.reading.table_header import clean_header
from services.preparation.rows.row_batches import ROWS_PER_BATCH

# What pandas reads as a missing value in text tables, and therefore as "".
EMPTY_CELL_WORDS = frozenset(
    [
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    ]
)
WORDS_BUT_EMPTY = EMPTY_CELL_WORDS - {""}
# The csv module's own limit (131,072) is shorter than some stories.
MAX_FIELD_CHARACTERS = 1 << 30


def read_delimited(source: SourceFile, sink: RowSink) -> None:
    """Read the records of a csv or tsv file into the sink.

    Raises:
        UnreadableFileError: there is no header.
    """
    with _Records(source, sink) as records:
        chunks = iter(records)
        rows, lines = next(chunks, ([], []))
        start = next((i for i, row in enumerate(rows) if not _is_blank(row) and not _is_separator(row)), None)
        if start is None:
            raise UnreadableFileError(f"File {source.path} has no header line.", line=1, column=1)
        header = clean_header(rows[start], sink)
        if not needs_objects(header, source.choices):
            sink.name_columns(header)
        reader = _RowReader(header, sink, records, source.choices)
        reader.read(rows[start + 1 :], lines[start + 1 :])
        if len(rows) == ROWS_PER_BATCH:
            for columns, first_lines in records.regular_part(len(header)):
                reader.read_columns(columns, first_lines)
            chunks = iter(records)
        for rows, lines in chunks:
            reader.read(rows, lines)


class _OpenQuoteError(Exception):
    """The text ended inside quotes."""


class _Records:
    """Records in chunks, with the line on which each begins. A quote that never closes costs its line, not the rest."""

    def __init__(self, source: SourceFile, sink: RowSink) -> None:
        csv.field_size_limit(MAX_FIELD_CHARACTERS)
        self.has_bad_bytes = False
        self._source = source
        self._sink = sink
        self._text = self._open()
        self._skipped = 0
        self._next_line = 1
        self._is_exhausted = False
        self._is_read = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def __iter__(self) -> Iterator[tuple[list[list[str]], list[int]]]:
        while not self._is_read:
            # The marker is asked for a line only when the text ends, and inside a record only if a quote is open.
            reader = csv.reader(chain(self._text, self._mark_end()), delimiter=self._source.delimiter)
            try:
                yield from self._chunks(reader)
                self._is_read = True
            except _OpenQuoteError:
                self._reject_open_quote()
            except UnicodeDecodeError:
                self.has_bad_bytes = True
                self._restart(self._next_line - 1)

    def _chunks(self, reader: Any) -> Iterator[tuple[list[list[str]], list[int]]]:
        """Chunks up to the end or the first trouble; what was complete before the trouble comes first."""
        rows: list[list[str]] = []
        lines: list[int] = []
        try:
            for row in reader:
                if self._is_exhausted:
                    raise _OpenQuoteError
                rows.append(row)
                lines.append(self._next_line)
                self._next_line = self._skipped + reader.line_num + 1
                if len(rows) == ROWS_PER_BATCH:
                    yield rows, lines
                    rows, lines = [], []
        except (_OpenQuoteError, UnicodeDecodeError):
            if rows:
                yield rows, lines
            raise
        if rows:
            yield rows, lines

    def regular_part(self, width: int) -> Iterator[tuple[list[list[str]], Sequence[int]]]:
        """Columns of what follows as far as it is regular; the walk over the rest must begin anew."""
        self._is_read = False
        self._restart(0)
        record_end = "\r\n" if self._text.readline().endswith("\r\n") else "\n"
        with self._source.open_binary() as raw:
            text = DecodedChunks(raw, self._source.encoding)
            text.skip_lines(self._next_line - 1)
            table = RegularTable(text, self._source.delimiter, record_end, width, self._next_line)
            yield from table
        self._next_line = table.next_line
        self._is_read = table.is_finished
        if not self._is_read:
            self._restart(table.next_line - 1)

    def _mark_end(self) -> Iterator[str]:
        self._is_exhausted = True
        yield from ()

    def _reject_open_quote(self) -> None:
        line = self._next_line
        self._restart(line)
        with self._open() as text:
            opening = next(islice(text, line - 1, None))
        raw = opening.encode("utf-8", "backslashreplace").decode().rstrip("\r\n")
        message = "a quote opens here and never closes"
        self._sink.reject(ReadingProblem("open_quote", line, opening.rfind('"') + 1, message, raw))
        self._next_line = line + 1

    def _restart(self, lines_to_skip: int) -> None:
        self._text.close()
        self._text = self._open()
        self._skipped = lines_to_skip
        self._is_exhausted = False
        deque(islice(self._text, lines_to_skip), maxlen=0)

    def _open(self) -> io.TextIOWrapper:
        # Strict decoding is the cheap way to learn that all bytes are sound.
        errors = KEEP_BYTES if self.has_bad_bytes else "strict"
        raw = self._source.open_binary()
        return io.TextIOWrapper(raw, encoding=self._source.encoding, errors=errors, newline="")


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip(" \t"))


def _is_separator(record: list[str]) -> bool:
    """Whether it is Excel's line that names the delimiter."""
    return record[0].removeprefix("\ufeff").lower().startswith("sep=") and not any(record[1:])


class _RowReader:
    """Turns records into rows: whole chunks at once while they are plain, else one by one."""

    def __init__(self, header: list[str], sink: RowSink, records: _Records, choices: ReadingChoices) -> None:
        self._header = header
        self._width = len(header)
        self._sink = sink
        self._records = records
        self._objects = ObjectReader(sink, choices) if needs_objects(header, choices) else None
        self._prompt_at, self._completion_at = find_column(header, "prompt"), find_column(header, "completion")
        chosen = (self._prompt_at, self._completion_at)
        self._others = [i for i, name in enumerate(header) if i not in chosen and name != "messages"]

    def read(self, rows: list[list[str]], lines: Sequence[int]) -> None:
        """Add the rows of these records."""
        is_even = set(map(len, rows)) == {self._width}
        if not is_even or self._records.has_bad_bytes or self._prompt_at is None or self._completion_at is None:
            self._read_carefully(rows, lines)
            return
        self.read_columns([list(column) for column in zip(*rows, strict=True)], lines)

    def read_columns(self, columns: list[list[str]], lines: Sequence[int]) -> None:
        """Add rows that have every field, given as columns."""
        is_plain = self._prompt_at is not None and self._completion_at is not None
        prompts = columns[self._prompt_at] if self._prompt_at is not None else []
        completions = columns[self._completion_at] if self._completion_at is not None else []
        if is_plain and WORDS_BUT_EMPTY.isdisjoint(prompts) and WORDS_BUT_EMPTY.isdisjoint(completions):
            self._sink.add_many(lines, prompts, completions, [tuple(columns[i]) for i in self._others])
        else:
            self._read_carefully([list(row) for row in zip(*columns, strict=True)], lines)

    def _read_carefully(self, rows: list[list[str]], lines: Sequence[int]) -> None:
        for record, line in zip(rows, lines, strict=True):
            if len(record) != self._width:
                if _is_blank(record):
                    continue
                if len(record) > self._width:
                    self._sink.reject(_wrong_width(record, self._width, line))
                    continue
                self._fill_up(record, line)
            self._read_record(record, line)

    def _fill_up(self, record: list[str], line: int) -> None:
        message = f"{len(record)} of {self._width} fields; the missing ones are read as empty"
        self._sink.note("short_record", line, message)
        record.extend([""] * (self._width - len(record)))

    def _read_record(self, record: list[str], line: int) -> None:
        if self._objects is not None:
            self._read_object(self._objects, record, line)
            return
        prompt = record[self._prompt_at] if self._prompt_at is not None else ""
        completion = record[self._completion_at] if self._completion_at is not None else ""
        problem = _problem_in_texts(prompt, completion, record, line)
        if problem:
            self._sink.reject(problem)
            return
        prompt, completion = _without_words(prompt, completion, line, self._sink)
        self._sink.add(line, prompt, completion, "", tuple(record[i] for i in self._others))

    def _read_object(self, objects: ObjectReader, record: list[str], line: int) -> None:
        problem = _problem_in_texts("", "\n".join(record), record, line)
        if problem:
            self._sink.reject(problem)
            return
        for value in WORDS_BUT_EMPTY.intersection(record):
            self._sink.note("word_read_as_empty", line, f"`{value}` is read as an empty field")
        cells = ("" if value in EMPTY_CELL_WORDS else value for value in record)
        objects.read(dict(zip(self._header, cells, strict=True)), line, _as_line(record))


def _without_words(prompt: str, completion: str, line: int, sink: RowSink) -> tuple[str, str]:
    for value in (prompt, completion):
        if value in WORDS_BUT_EMPTY:
            sink.note("word_read_as_empty", line, f"`{value}` is read as an empty field")
    return ("" if prompt in EMPTY_CELL_WORDS else prompt), ("" if completion in EMPTY_CELL_WORDS else completion)


def _wrong_width(record: list[str], width: int, line: int) -> ReadingProblem:
    column = sum(len(value) + 1 for value in record[:width]) + 1
    message = f"expected {width} fields, found {len(record)}: is a field with a delimiter in it not quoted?"
    return ReadingProblem("wrong_field_count", line, column, message, _as_line(record))


def _problem_in_texts(prompt: str, completion: str, record: list[str], line: int) -> ReadingProblem | None:
    """Undecodable bytes were smuggled through as lone surrogates: find them."""
    for value in (prompt, completion):
        if value.isascii():
            continue
        try:
            value.encode()
        except UnicodeEncodeError as error:
            before = value[: error.start]
            byte = ord(value[error.start]) - 0xDC00
            message = f"byte 0x{byte & 0xFF:02x} is not valid in the file's encoding"
            column = len(before) - before.rfind("\n")
            return ReadingProblem("not_decodable", line + before.count("\n"), column, message, _as_line(record))
    return None


def _as_line(record: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(record)
    return out.getvalue().encode("utf-8", "backslashreplace").decode()
