"""Comma- or tab-separated text, read tolerantly: a broken record costs itself, not the file.

Agrees with pandas (C parser, all columns as text) on well-formed files, its empty-cell words included.
"""

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice
from typing import Self

from services.workers.datasets.errors import UnreadableFileError
from services.workers.datasets.reading.row_sink import ReadingProblem, RowSink, find_column
from services.workers.datasets.reading.source_file import SourceFile

# What pandas reads as a missing value in text tables, and therefore as "".
EMPTY_CELL_WORDS = frozenset(
    "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|")
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
        header = next((record for record in records if not _is_blank(record)), None)
        if header is None:
            raise UnreadableFileError(f"File {source.path} has no header line.", line=1, column=1)
        header[0] = header[0].removeprefix("\ufeff")
        sink.name_columns(header)
        _read_records(records, header, sink)


class _Records:
    """Records with the line on which each begins. A quote that never closes costs its line, not the rest."""

    def __init__(self, source: SourceFile, sink: RowSink) -> None:
        csv.field_size_limit(MAX_FIELD_CHARACTERS)
        self._source = source
        self._sink = sink
        self._text = self._open()
        self._skipped = 0
        self._is_exhausted = False
        self.line = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            # The marker is asked for a line only when the text ends, and inside a record only if a quote is open.
            reader = csv.reader(chain(self._text, self._mark_end()), delimiter=self._source.delimiter)
            self.line = self._skipped + 1
            for record in reader:
                if self._is_exhausted:
                    break
                yield record
                self.line = self._skipped + reader.line_num + 1
            else:
                return
            self._restart_after_open_quote()

    def _mark_end(self) -> Iterator[str]:
        self._is_exhausted = True
        yield from ()

    def _restart_after_open_quote(self) -> None:
        self._text.close()
        self._text = self._open()
        opening = next(islice(self._text, self.line - 1, None))
        message = "a quote opens here and never closes"
        column = opening.rfind('"') + 1
        raw = opening.encode("utf-8", "backslashreplace").decode().rstrip("\r\n")
        self._sink.reject(ReadingProblem("open_quote", self.line, column, message, raw))
        self._skipped = self.line
        self._is_exhausted = False

    def _open(self) -> io.TextIOWrapper:
        raw = self._source.open_binary()
        return io.TextIOWrapper(raw, encoding=self._source.encoding, errors="surrogateescape", newline="")


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip(" \t"))


def _read_records(records: _Records, header: list[str], sink: RowSink) -> None:
    width = len(header)
    prompt_at, completion_at = find_column(header, "prompt"), find_column(header, "completion")
    chosen = (prompt_at, completion_at)
    others = [i for i in range(width) if i not in chosen and header[i] != "messages"]
    plain_pair = width == 2 and prompt_at is not None and completion_at is not None
    for record in records:
        line = records.line
        if len(record) != width:
            if _is_blank(record):
                continue
            if len(record) > width:
                sink.reject(_wrong_width(record, width, line))
                continue
            sink.note("short_record", line, f"{len(record)} of {width} fields; the missing ones are read as empty")
            record.extend([""] * (width - len(record)))
        prompt = record[prompt_at] if prompt_at is not None else ""
        completion = record[completion_at] if completion_at is not None else ""
        if prompt in WORDS_BUT_EMPTY or completion in WORDS_BUT_EMPTY:
            prompt, completion = _without_words(prompt, completion, line, sink)
        problem = _problem_in_texts(prompt, completion, record, line)
        if problem:
            sink.reject(problem)
        else:
            sink.add(line, prompt, completion, "", () if plain_pair else tuple(record[i] for i in others))


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
