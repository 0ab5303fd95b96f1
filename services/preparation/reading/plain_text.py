"""Plain text: every line is a completion with an empty prompt."""

import io

from services.preparation.reading.row_sink import ReadingProblem, RowSink
from services.preparation.reading.source_file import KEEP_BYTES, SourceFile


def read_plain_text(source: SourceFile, sink: RowSink) -> None:
    """Read every line, the empty one after the last line feed too (the public tool counts it)."""
    sink.name_columns(["prompt", "completion"])
    with source.open_binary() as raw:
        text = io.TextIOWrapper(raw, encoding=source.encoding, errors=KEEP_BYTES, newline=None)
        number, ends_open = 0, False
        for number, line in enumerate(text, start=1):
            ends_open = not line.endswith("\n")
            _add_line(line.removesuffix("\n"), number, sink)
        if not ends_open:
            sink.add(number + 1, "", "")


def _add_line(line: str, number: int, sink: RowSink) -> None:
    try:
        line.isascii() or line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) & 0xFF
        message = f"byte 0x{byte:02x} is not valid in the file's encoding"
        raw = line.encode("utf-8", "backslashreplace").decode()
        sink.reject(ReadingProblem("not_decodable", number, error.start + 1, message, raw))
    else:
        sink.add(number, "", line)
