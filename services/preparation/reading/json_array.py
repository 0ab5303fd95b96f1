"""JSON values one after another: the elements of an array, objects that follow one another however they are indented,
the rows in a wrapper such as `{"data": […]}`. Value by value: a large file needs no more memory than a small one."""

import io
import json
import re
from typing import Any, Final

from services.preparation.reading.json_documents import find_rows
from services.preparation.reading.json_values import ObjectReader, note_double_keys
from services.preparation.reading.row_sink import ReadingProblem, RowSink
from services.preparation.reading.source_file import KEEP_BYTES, WRAPPER, SourceFile
from shared.texts.training_rows import name_burden

CHUNK_CHARACTERS: Final = 1 << 20
# An element longer than this is broken rather than large.
MAX_ELEMENT_CHARACTERS: Final = 1 << 26
SHOWN_CHARACTERS: Final = 1000
BLANK: Final = re.compile(r"[ \t\r\n\ufeff]*")
# Rows under a further name, such as a validation set beside the training set.
OTHER_ROWS: Final = re.compile(r'"([^"\\]{1,80})"\s*:\s*\[\s*\{')
# How near the end of what was read an error may be none: a number, a word or an escape may be cut there.
CUT_CHARACTERS: Final = 16
LONGEST_BEGINNING: Final = 16_384


def read_json_array(source: SourceFile, sink: RowSink) -> None:
    """Read the values into the sink. Reading ends at the first piece that is no JSON, which is named."""
    with source.open_binary() as raw:
        text = io.TextIOWrapper(raw, encoding=source.encoding, errors=KEEP_BYTES, newline="")
        _Walk(text, ObjectReader(sink, source.choices), sink).run()


class _Walk:
    """`_at` is the place in the buffer that line and column belong to."""

    def __init__(self, text: io.TextIOWrapper, reader: ObjectReader, sink: RowSink) -> None:
        self._text = text
        self._reader = reader
        self._sink = sink
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._column = 1
        self._is_first = True
        """No row has been read: the value may be a document around them."""

    def run(self) -> None:
        """Read arrays and objects until the text ends or something is no JSON."""
        self._fill()
        wrapper = WRAPPER.match(self._buffer, self._skip_blank(), LONGEST_BEGINNING)
        if wrapper:
            self._advance(wrapper.end())
            if self._read_array():
                self._check_wrapper_end()
            return
        while mark := self._next_token():
            if not (self._read_array() if mark == "[" else self._read_value()):
                return
            if self._next_token() == ",":
                self._advance(self._at + 1)

    def _read_array(self) -> bool:
        self._advance(self._at + 1)
        while mark := self._next_token():
            if mark == "]":
                self._advance(self._at + 1)
                return True
            if mark == ",":
                self._advance(self._at + 1)
            elif not self._read_value():
                return False
        self._reject(self._line, self._column, "the array is not closed", "")
        return False

    def _check_wrapper_end(self) -> None:
        """What follows the rows in their wrapper is not read, but it must end."""
        more = OTHER_ROWS.findall(self._buffer, self._at)
        while self._fill():
            more += OTHER_ROWS.findall(self._buffer)
            self._buffer = self._buffer[-CHUNK_CHARACTERS:]
        if more:
            self._sink.note_set("other_rows", f"under {', '.join(sorted({repr(name) for name in more})[:5])}")
        if not self._buffer.rstrip(" \t\r\n").endswith("}"):
            self._reject(self._line, self._column, "the object around the rows is not closed", "")

    def _read_value(self) -> bool:
        """Decode one value; more of the text is read as long as that may be what is missing."""
        wanted = CHUNK_CHARACTERS
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                line = self._line + self._buffer.count("\n", self._at, error.pos)
                column = error.colno if line > self._line else self._column + error.pos - self._at
                if self._may_be_cut(error) and self._fill(wanted):
                    wanted *= 2
                    continue
                self._reject(line, column, error.msg, self._buffer[self._at : self._at + SHOWN_CHARACTERS])
                return False
            except (RecursionError, ValueError) as error:
                raw = self._buffer[self._at : self._at + SHOWN_CHARACTERS]
                self._reject(self._line, self._column, name_burden(error), raw)
                return False
            self._take(value, self._buffer[self._at : end])
            self._advance(end)
            return True

    def _take(self, value: Any, text: str) -> None:
        rows = find_rows(value) if self._is_first and isinstance(value, dict) else None
        self._is_first = False
        if rows is not None:
            for row in rows:
                self._reader.read(row, self._line, "" if isinstance(row, dict) else str(row))
            return
        note_double_keys(text, self._line, self._sink)
        self._reader.read(value, self._line, "" if isinstance(value, dict) else text)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        length = len(self._buffer)
        is_near_end = error.pos >= length - CUT_CHARACTERS or error.msg.startswith("Unterminated string")
        return is_near_end and length - self._at < MAX_ELEMENT_CHARACTERS

    def _next_token(self) -> str:
        while True:
            self._advance(self._skip_blank())
            if self._at < len(self._buffer) or not self._fill():
                return self._buffer[self._at : self._at + 1]

    def _skip_blank(self) -> int:
        found = BLANK.match(self._buffer, self._at)
        return found.end() if found else self._at

    def _fill(self, size: int = CHUNK_CHARACTERS) -> bool:
        chunk = self._text.read(size)
        self._buffer = self._buffer[self._at :] + chunk
        self._at = 0
        return bool(chunk)

    def _advance(self, end: int) -> None:
        breaks = self._buffer.count("\n", self._at, end)
        self._line += breaks
        self._column = end - self._buffer.rfind("\n", self._at, end) if breaks else self._column + end - self._at
        self._at = end

    def _reject(self, line: int, column: int, message: str, raw: str) -> None:
        self._sink.reject(ReadingProblem("invalid_json", line, column, message, raw))
