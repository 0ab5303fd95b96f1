"""A fast reader for the regular part of a delimited file, for tables of 10^5 rows and more.

Splitting at quotes leaves pieces outside and inside of quotes by turns, which costs a fraction of walking over every
character. It understands only what writers of csv write; at the first thing out of the ordinary it stops and says on
which line, and the general reader goes on from there.
"""

import codecs
import io
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from operator import add
from typing import IO, overload

CHUNK_BYTES = 1 << 19


class DecodedChunks:
    """Text in large pieces: several times faster than a text file's own small ones."""

    def __init__(self, raw: IO[bytes], encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._waiting = ""

    def skip_lines(self, count: int) -> None:
        """Pass over so many lines, which may end in LF, CR or both."""
        text = ""
        while chunk := self._decode():
            text += chunk
            lines = io.StringIO(text, newline="")
            deque(islice(lines, count), maxlen=0)
            self._waiting = lines.read()
            if self._waiting:
                return

    def read(self) -> str:
        """The next piece, "" at the end or where a broken byte begins."""
        waiting, self._waiting = self._waiting, ""
        return waiting or self._decode()

    def _decode(self) -> str:
        while raw := self._raw.read(CHUNK_BYTES):
            try:
                text = self._decoder.decode(raw)
            except UnicodeDecodeError:
                return ""
            if text:
                return text
        return ""


class RegularTable:
    """Columns of whole records, chunk by chunk. After the walk, `next_line` is where the general reader must go on."""

    def __init__(self, text: DecodedChunks, delimiter: str, record_end: str, width: int, first_line: int) -> None:
        self.next_line = first_line
        self.is_finished = False
        self._text = text
        self._delimiter = delimiter
        self._end = record_end
        self._width = width

    def __iter__(self) -> Iterator[tuple[list[list[str]], Sequence[int]]]:
        rest = ""
        while chunk := self._text.read():
            text = rest + chunk
            pieces = text.split('"')
            rest = _cut_after_last_record(pieces, self._end)
            if not pieces:
                continue
            columns = self._all_quoted(pieces) or self._some_quoted(pieces)
            if columns is None:
                return
            end = len(text) - len(rest)
            has_returns = text.count("\r", 0, end) > (len(columns[0]) if self._end == "\r\n" else 0)
            lines = RecordLines(self.next_line, columns, has_returns)
            self.next_line += count_breaks(text[:end], has_returns) if has_returns else text.count("\n", 0, end)
            yield columns, lines
        self.is_finished = not rest

    def _all_quoted(self, pieces: list[str]) -> list[list[str]] | None:
        """The columns where every field is quoted and no quote is inside one, else None."""
        outside, width = pieces[0::2], self._width
        separators = [{self._delimiter}] * (width - 1) + [{self._end}]
        if outside[0] or (len(outside) - 1) % width:
            return None
        if any(set(outside[i + 1 :: width]) != separators[i] for i in range(width)):
            return None
        return [pieces[1 + 2 * i :: 2 * width] for i in range(width)]

    def _some_quoted(self, pieces: list[str]) -> list[list[str]] | None:
        fields = self._fields(pieces)
        return None if fields is None else [fields[i :: self._width] for i in range(self._width)]

    def _fields(self, pieces: list[str]) -> list[str] | None:
        """All fields of these records in one list, or None if something is out of the ordinary."""
        delimiter, end, width = self._delimiter, self._end, self._width
        fields: list[str] = []
        append = fields.append
        is_outside, is_escaped = True, False
        for number, piece in enumerate(pieces):
            if not is_outside:
                if is_escaped:
                    fields[-1] = f'{fields[-1]}"{piece}'
                else:
                    append(piece)
                is_outside, is_escaped = True, False
                continue
            is_outside = False
            if piece == delimiter and len(fields) % width:
                continue
            if piece == end and len(fields) % width == 0 and fields:
                continue
            is_escaped = not piece and number > 0  # two quotes in a row
            if not is_escaped and not self._split_plain(piece, number > 0, fields):
                return None
        return fields if len(fields) % width == 0 else None

    def _split_plain(self, piece: str, after_quotes: bool, fields: list[str]) -> bool:
        """Take apart what stands between two quoted fields; False if it is not regular."""
        if after_quotes:
            ends_record = len(fields) % self._width == 0
            separator = self._end if ends_record else self._delimiter
            if not piece.startswith(separator):
                return False
            piece = piece[len(separator) :]
            if not piece:
                return True
            if not ends_record and self._end not in piece:
                return piece[-1] == self._delimiter and self._take_line(piece[:-1], fields, is_open=True)
            if not ends_record:
                first, _, piece = piece.partition(self._end)
                if not self._take_line(first, fields, is_open=False):
                    return False
        *whole, last = piece.split(self._end)
        return all(self._take_line(line, fields, is_open=False) for line in whole) and self._take_start(last, fields)

    def _take_start(self, start: str, fields: list[str]) -> bool:
        """What stands before an opening quote in the same record."""
        if not start:
            return True
        return start[-1] == self._delimiter and self._take_line(start[:-1], fields, is_open=True)

    def _take_line(self, line: str, fields: list[str], is_open: bool) -> bool:
        if "\r" in line or "\n" in line:
            return False
        start = len(fields) % self._width
        cells = line.split(self._delimiter)
        fields.extend(cells)
        is_blank = self._width == 1 and not line.strip(" \t")
        filled = start + len(cells)
        return not is_blank and (filled < self._width if is_open else filled == self._width)


def count_breaks(text: str, has_returns: bool) -> int:
    """Line breaks: LF, CR or both as one."""
    if has_returns:
        return text.count("\n") + text.count("\r") - text.count("\r\n")
    return text.count("\n")


class RecordLines(Sequence[int]):
    """The line on which each record begins, counted when first asked for: few walks need it."""

    def __init__(self, first: int, columns: list[list[str]], has_returns: bool) -> None:
        self._first = first
        self._columns = columns
        self._has_returns = has_returns
        self._lines: list[int] | None = None

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        if self._lines is None:
            lengths = [1] * len(self)
            for column in self._columns:
                lengths = list(map(add, lengths, (count_breaks(value, self._has_returns) for value in column)))
            self._lines = list(accumulate(lengths, initial=self._first))[:-1]
        return self._lines[index]


def _cut_after_last_record(pieces: list[str], end: str) -> str:
    """Leave in `pieces` what ends with the last record end outside of quotes; return the rest of the text."""
    at = next((i for i in range((len(pieces) - 1) // 2 * 2, -1, -2) if end in pieces[i]), None)
    if at is None:
        rest = '"'.join(pieces)
        pieces.clear()
        return rest
    kept, _, start = pieces[at].rpartition(end)
    rest = '"'.join([start, *pieces[at + 1 :]])
    pieces[at:] = [kept + end]
    return rest
