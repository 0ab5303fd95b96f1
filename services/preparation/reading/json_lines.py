"""One JSON object per line."""

import io
import json
from collections.abc import Iterator
from typing import Final

import orjson

from services.preparation.reading.json_values import ObjectReader, note_double_keys
from services.preparation.reading.row_sink import ReadingProblem, RowSink
from services.preparation.reading.source_file import KEEP_BYTES, SourceFile
from shared.texts.training_rows import name_burden

PYTHON_HINT: Final = " (this is how Python prints a dictionary: write it with json.dumps)"
COMMA_HINT: Final = " (a comma stands before the end of an object or list)"


def read_json_lines(source: SourceFile, sink: RowSink) -> None:
    """Read every line into the sink; a line that is no JSON is reported with its column."""
    reader = ObjectReader(sink, source.choices)
    for number, raw in enumerate(_lines(source), start=1):
        line = raw.strip()
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            _read_stubborn_line(line, number, reader, sink)
            continue
        note_double_keys(line, number, sink)
        reader.read(value, number, "" if type(value) is dict else line.decode("utf-8", "backslashreplace"))


def _lines(source: SourceFile) -> Iterator[bytes]:
    with source.open_binary() as raw:
        if source.encoding in ("utf-8", "utf-8-sig"):
            yield from raw
            return
        text = io.TextIOWrapper(raw, encoding=source.encoding, errors=KEEP_BYTES, newline="\n")
        for line in text:
            yield _encode(line)


def _encode(line: str) -> bytes:
    """UTF-8, and bytes that were no text in the file's encoding so that they are none here."""
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogatepass")


def _read_stubborn_line(line: bytes, number: int, reader: ObjectReader, sink: RowSink) -> None:
    """Say what is wrong; a line that is JSON but for a lone surrogate or a stray trailing comma is kept."""
    raw = line.decode("utf-8", "backslashreplace")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        message = f"byte 0x{line[error.start]:02x} is not valid UTF-8"
        column = len(line[: error.start].decode()) + 1
        sink.reject(ReadingProblem("not_decodable", number, column, message, raw))
        return
    try:
        value = json.loads(text.removesuffix(","))
    except json.JSONDecodeError as error:
        hint = PYTHON_HINT if text.startswith("{'") else COMMA_HINT if _follows_a_last_comma(text, error.pos) else ""
        sink.reject(ReadingProblem("invalid_json", number, error.colno, f"not JSON: {error.msg}{hint}", raw))
        return
    except (RecursionError, ValueError) as error:
        sink.reject(ReadingProblem("invalid_json", number, 1, name_burden(error), raw))
        return
    if text.endswith(","):
        sink.note("trailing_comma", number, "a comma after the object was ignored")
    reader.read(value, number, raw)


def _follows_a_last_comma(text: str, at: int) -> bool:
    return text[:at].rstrip().endswith(",") and text[at:].lstrip()[:1] in ("}", "]")
