"""Values out of a CSV or JSON Lines file, read line by line: what is held is each value once. Knows no database."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import IO, Any, Final

import orjson

from shared.contracts.recipes.axis import MAX_VALUES, Scalar

MAX_LINE_BYTES: Final = 1024 * 1024
DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})


class ValuesError(Exception):
    """The values cannot be taken; the message says why, and what to do."""


class ValueList:
    """Different values in the order in which they came, within bounds."""

    def __init__(self, most_bytes: int, most_values: int = MAX_VALUES) -> None:
        self._values: dict[tuple[bool, Scalar], Scalar] = {}
        self._bytes_left, self._most_values = most_bytes, most_values

    def add(self, value: Scalar) -> None:
        """Take a value, unless it is there, or empty. Raises: ValuesError for one too many."""
        key = isinstance(value, bool), value
        if value == "" or key in self._values:
            return
        self._bytes_left -= len(str(value).encode())
        if len(self._values) == self._most_values:
            raise ValuesError(f"it has more than {self._most_values} different values; choose some of them")
        if self._bytes_left < 0:
            raise ValuesError("its values together are larger than a recipe may be; choose some of them")
        self._values[key] = value

    def finish(self) -> list[Scalar]:
        """Return the values. Raises: ValuesError when there are none."""
        if not self._values:
            raise ValuesError("it has no value")
        return list(self._values.values())


def read_column(source: IO[bytes], filename: str, column: str | None, values: ValueList) -> list[Scalar]:
    """Return the different values of a file's column, in its order; empty ones are left out. CSV values are texts.
    Without a column, the only one is meant, or each line of JSON is a value. Raises: ValuesError with the line."""
    suffix = PurePath(filename).suffix.lower()
    lines = read_lines(source)
    if suffix in JSON_SUFFIXES:
        found: Iterable[Scalar] = read_json_values(lines, column)
    elif suffix in DELIMITERS:
        found = read_csv_values(lines, DELIMITERS[suffix], column)
    else:
        known = ", ".join(sorted({*DELIMITERS, *JSON_SUFFIXES}))
        raise ValuesError(f"its name, {filename[:100]!r}, does not say what it is; values come from {known}")
    for value in found:
        values.add(value)
    return values.finish()


def read_lines(source: IO[bytes]) -> Iterator[str]:
    """Yield the lines with their ends. Raises: ValuesError for one that is too long, or no UTF-8."""
    number = 0
    while line := source.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ValuesError(f"line {number} is longer than {MAX_LINE_BYTES} bytes")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            message = f"line {number} is not UTF-8 (byte {error.start + 1} of it); save the file as UTF-8"
            raise ValuesError(message) from error


def read_csv_values(lines: Iterable[str], delimiter: str, column: str | None) -> Iterator[str]:
    """Yield a column's values. Raises: ValuesError with the line."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        place = find_column(next(rows, []), column)
        for row in rows:
            if row:
                yield row[place] if place < len(row) else ""
    except csv.Error as error:
        raise ValuesError(f"line {rows.line_num} is no CSV: {error}") from error


def find_column(header: list[str], column: str | None) -> int:
    """Return the place of a column. Raises: ValuesError that lists those which are there."""
    if column is None and len(header) == 1:
        return 0
    if column in header:
        return header.index(column)
    there = ", ".join(repr(name[:50]) for name in header[:20]) or "none"
    raise ValuesError(f"it has {'more than one column' if column is None else 'no such column'}; its columns: {there}")


def read_json_values(lines: Iterable[str], column: str | None) -> Iterator[Scalar]:
    """Yield the values of a member of each line, or of the line itself. Raises: ValuesError with the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ValuesError(f"line {number} is no JSON: {error.msg}") from error
        value = read_member(number, found, column)
        if value is not None:
            yield value


def read_member(number: int, found: Any, column: str | None) -> Scalar | None:
    """Return the value of a line; None for null. Raises: ValuesError when it has no such, or none that can be one."""
    if column is not None:
        if not isinstance(found, Mapping) or column not in found:
            there = ", ".join(repr(name[:50]) for name in list(found)[:20]) if isinstance(found, Mapping) else "none"
            raise ValuesError(f"line {number} has no member of this name; its members: {there or 'none'}")
        found = found[column]
    if found is None or isinstance(found, str | int | float | bool):
        return found
    raise ValuesError(
        f"line {number} holds a list or an object; a value is a text, a number or a boolean. Name a column"
    )
