"""One JSON array of objects, read element by element so that a large file needs no more memory than a small one."""

import io
import json

from services.preparation.reading.json_values import ObjectReader
from services.preparation.reading.row_sink import ReadingProblem, RowSink
from services.preparation.reading.source_file import SourceFile

CHUNK_CHARACTERS = 1 << 20
# An element longer than this is broken rather than large.
MAX_ELEMENT_CHARACTERS = 1 << 26
WHITESPACE = " \t\r\n"


def read_json_array(source: SourceFile, sink: RowSink) -> None:
    """Read the elements of the array into the sink. Reading ends at the first element that is no JSON."""
    with source.open_binary() as raw:
        text = io.TextIOWrapper(raw, encoding=source.encoding, errors="surrogateescape", newline="")
        _ArrayWalk(text, ObjectReader(sink), sink).run()


class _ArrayWalk:
    def __init__(self, text: io.TextIOWrapper, reader: ObjectReader, sink: RowSink) -> None:
        self._text = text
        self._reader = reader
        self._sink = sink
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._line = 1
        self._column = 1

    def run(self) -> None:
        self._fill()
        self._advance(len(self._buffer) - len(self._buffer.lstrip(WHITESPACE + "\ufeff")))
        self._advance(1)  # the opening bracket, which made this an array
        while self._read_element():
            pass

    def _read_element(self) -> bool:
        separator = self._next_token()
        while separator == ",":
            self._advance(1)
            separator = self._next_token()
        if separator == "]":
            return False
        if separator == "":
            self._reject("invalid_json", self._line, self._column, "the array is not closed", "")
            return False
        return self._decode_element()

    def _decode_element(self) -> bool:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer)
            except json.JSONDecodeError as error:
                if len(self._buffer) < MAX_ELEMENT_CHARACTERS and self._fill():
                    continue
                line = self._line + error.lineno - 1
                column = error.colno if error.lineno > 1 else self._column + error.colno - 1
                self._reject("invalid_json", line, column, error.msg, self._buffer[:1000])
                return False
            self._reader.read(value, self._line, self._buffer[:end] if not isinstance(value, dict) else "")
            self._advance(end)
            return True

    def _next_token(self) -> str:
        while True:
            stripped = self._buffer.lstrip(WHITESPACE)
            self._advance(len(self._buffer) - len(stripped))
            if self._buffer or not self._fill():
                return self._buffer[:1]

    def _fill(self) -> bool:
        chunk = self._text.read(CHUNK_CHARACTERS)
        self._buffer += chunk
        return bool(chunk)

    def _advance(self, count: int) -> None:
        passed, self._buffer = self._buffer[:count], self._buffer[count:]
        breaks = passed.count("\n")
        self._line += breaks
        self._column = count - passed.rfind("\n") if breaks else self._column + count

    def _reject(self, code: str, line: int, column: int, message: str, raw: str) -> None:
        self._sink.reject(ReadingProblem(code, line, column, message, raw))
