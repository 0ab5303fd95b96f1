"""What kind of file this is: compression, format and encoding, judged by content first and extension second."""

import codecs
import gzip
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, cast

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.binary_kind import BinaryFormat, UnsupportedKindError, find_binary_kind
from services.preparation.reading.choices import NO_CHOICES, ReadingChoices
from services.preparation.reading.table_header import is_header
from services.preparation.reading.text_encoding import require_encoding, tell_encoding
from shared.texts.file_encoding import Encoding, Reading

FileFormat = Literal["csv", "tsv", "xlsx", "workbook", "txt", "json", "jsonl", "parquet", "arrow"]
EXTENSIONS: dict[str, FileFormat] = {
    ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".txt": "txt", ".json": "json", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".jsonlines": "jsonl", ".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow",
    ".xls": "workbook", ".xlsm": "xlsx", ".xlsb": "workbook", ".ods": "workbook",
}  # fmt: skip
TEXT_FORMATS: Final = frozenset({"csv", "tsv", "txt", "json", "jsonl"})
# Enough for a header and some thousand rows, small enough to read before every preparation.
SAMPLE_BYTES = 1 << 20
BUFFER_BYTES = 1 << 20
# How far the first byte beyond ASCII is looked for: a table of numbers may name its first town late.
SEARCHED_BYTES: Final = 1 << 28
ARRAY_START: Final = re.compile(r"\[\s*[{\[\]]")
# The bar last: prose holds it now and then.
DELIMITERS: Final = (",", "\t", ";", "|")
SEPARATOR_LINE: Final = re.compile(r"[\"']?sep=([,;|\t])[\"']?[;, \t]*\r?\n", re.IGNORECASE)
LINE_END: Final = re.compile(r"[ \t]*,?[ \t]*\r?(?:\n|\Z)")
# Names under which tools keep the rows of a file. A talk's `messages` are no rows.
WRAPPER: Final = re.compile(
    r'\{\s*(?:"[^"\\]{0,80}"\s*:\s*(?:"[^"\\]{0,400}"|-?[0-9.eE+]{1,40}|true|false|null)\s*,\s*){0,20}'
    r'"(?:data|rows|examples|train|training|training_data|train_data|items|records|instances|samples|dataset|stories|'
    r'entries|results)"\s*:\s*(?=\[\s*[{\]])'
)
# How pandas begins tables by columns, by rows, split, and with a schema.
DOCUMENT: Final = re.compile(
    r'\{\s*"(?:(?:columns|index)"\s*:\s*\[|schema"\s*:\s*\{|[^"\\]{1,80}"\s*:\s*\{\s*"0"\s*:|0"\s*:\s*\{)'
)

# Keeps undecodable bytes as lone surrogates, so that their line can be named. Python's own `surrogateescape` raises for
# bytes below 0x80, which the wide encodings meet where a file is cut.
KEEP_BYTES: Final = "storymill_keep_bytes"


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(KEEP_BYTES, _keep_bytes)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that can be read. `encoding` is a Python codec name; binary formats carry "binary". `guess` is set where
    the encoding is no more than the most plausible one."""

    path: Path
    format: FileFormat
    is_gzip: bool
    encoding: str
    delimiter: str = ","
    guess: Reading | None = None
    choices: ReadingChoices = NO_CHOICES

    def open_binary(self) -> IO[bytes]:
        """Open the uncompressed bytes."""
        if self.is_gzip:
            return cast(IO[bytes], gzip.open(self.path, "rb"))
        return self.path.open("rb", buffering=BUFFER_BYTES)


def describe_file(path: Path, choices: ReadingChoices = NO_CHOICES) -> SourceFile:
    """Find out what `path` is.

    Raises:
        UnreadableFileError: it does not exist, is empty, or is of no kind that can be read.
        EncodingUnclearError: its encoding was not named, and several are about as likely.
    """
    if not path.is_file():
        raise UnreadableFileError(f"File {path} does not exist.")
    is_gzip, sample = _read_sample(path)
    if not sample:
        raise UnreadableFileError(f"File {path} is empty.")
    binary = _find_binary(path, is_gzip, sample)
    if binary:
        return SourceFile(path, binary, is_gzip, "binary", choices=choices)
    encoding = _find_encoding(path, is_gzip, sample, choices)
    text = sample.decode(encoding.name, errors="replace").lstrip("\ufeff")
    file_format, delimiter = _text_format(path, text)
    return SourceFile(path, file_format, is_gzip, encoding.name, delimiter, encoding.guess, choices)


def _find_binary(path: Path, is_gzip: bool, sample: bytes) -> BinaryFormat | None:
    with SourceFile(path, "txt", is_gzip, "binary").open_binary() as raw:
        try:
            return find_binary_kind(sample, raw)
        except UnsupportedKindError as error:
            raise UnreadableFileError(f"File {path} {error}") from error


def _find_encoding(path: Path, is_gzip: bool, sample: bytes, choices: ReadingChoices) -> Encoding:
    if choices.encoding is not None:
        return require_encoding(choices.encoding)
    if sample.isascii() and len(sample) == SAMPLE_BYTES:
        sample = _find_telling_sample(path, is_gzip) or sample
    return tell_encoding(path, sample)


def _find_telling_sample(path: Path, is_gzip: bool) -> bytes | None:
    """The first stretch of lines with a byte beyond ASCII."""
    with SourceFile(path, "txt", is_gzip, "binary").open_binary() as raw:
        try:
            for _ in range(SEARCHED_BYTES // SAMPLE_BYTES):
                block = raw.read(SAMPLE_BYTES) + raw.readline(SAMPLE_BYTES)
                if not block or not block.isascii():
                    return block or None
        except (OSError, EOFError, zlib.error):
            return None  # a broken archive is told by the reader
    return None


def _read_sample(path: Path) -> tuple[bool, bytes]:
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not is_gzip:
            return False, raw.read(SAMPLE_BYTES)
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return True, unpacked.read(SAMPLE_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFileError(f"File {path} is a broken gzip file: {error}") from error


def _extension_format(path: Path) -> FileFormat | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return EXTENSIONS.get(suffixes[-1]) if suffixes else None


def _text_format(path: Path, text: str) -> tuple[FileFormat, str]:
    promised = _extension_format(path)
    shape = _json_format(text, promised)
    if shape:
        return shape, ","
    if promised in ("jsonl", "json"):
        return promised, ","
    told = SEPARATOR_LINE.match(text)  # Excel's own: the first line names the delimiter
    if told:
        return ("tsv" if told.group(1) == "\t" else "csv"), told.group(1)
    header = text.lstrip("\r\n").split("\n", 1)[0].split("\r", 1)[0]
    delimiter = _find_delimiter(header)
    if promised in ("csv", "tsv"):
        fallback = "\t" if promised == "tsv" else ","
        return promised, delimiter or fallback
    if delimiter and (promised != "txt" or _names_fields(header, delimiter)):
        return ("tsv" if delimiter == "\t" else "csv"), delimiter
    if promised == "txt":
        return promised, ","
    known = ", ".join(sorted(EXTENSIONS))
    raise UnreadableFileError(
        f"File {path} is of no known kind. Give it one of these extensions: {known} (.gz may follow)."
    )


def _find_delimiter(header: str) -> str | None:
    """What stands between the names of columns: whatever gives prompt and completion; else the most frequent."""
    naming = next((one for one in DELIMITERS if _names_fields(header, one)), None)
    if naming:
        return naming
    most = max(DELIMITERS[:-1], key=header.count)
    return most if header.count(most) else None


def _names_fields(header: str, delimiter: str) -> bool:
    return is_header([name.strip("\"' \ufeff") for name in header.split(delimiter)])


def _json_format(text: str, promised: FileFormat | None) -> FileFormat | None:
    """JSON by its beginning. Prose and tables may begin with a bracket too: there the first value must be one."""
    bare = text.lstrip()
    if bare[:1] == "[" and (promised not in ("txt", "csv", "tsv") or ARRAY_START.match(bare)):
        return "json"
    if bare[:1] != "{":
        return None
    end = _first_object_end(bare)
    if end is None:
        return None if promised in ("txt", "csv", "tsv") else "jsonl"
    return "jsonl" if is_line(bare, end) else "json"


def is_line(text: str, end: int) -> bool:
    """Whether the first object has a line of its own, and is nothing around the rows."""
    is_alone = "\n" not in text[:end] and LINE_END.match(text, end) is not None
    return is_alone and not WRAPPER.match(text) and not DOCUMENT.match(text)


def _first_object_end(text: str) -> int | None:
    """Where the first object ends, as far as the sample goes; None where it is none."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        is_around = WRAPPER.match(text) or DOCUMENT.match(text)
        return len(text) if is_around or (error.pos > SAMPLE_BYTES // 2 and "\n" in text[:4096]) else None
    except (RecursionError, ValueError):  # also of a number with thousands of digits
        return None
    return end
