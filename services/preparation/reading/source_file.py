"""What kind of file this is: compression, format and encoding, judged by content first and extension second."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.text_encoding import detect_encoding

FileFormat = Literal["csv", "tsv", "xlsx", "txt", "json", "jsonl", "parquet"]
EXTENSIONS: dict[str, FileFormat] = {
    ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".txt": "txt", ".json": "json", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".parquet": "parquet",
}  # fmt: skip
# Enough for a header and some thousand rows, small enough to read before every preparation.
SAMPLE_BYTES = 1 << 20
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that can be read. `encoding` is a Python codec name; binary formats carry "binary"."""

    path: Path
    format: FileFormat
    is_gzip: bool
    encoding: str
    delimiter: str = ","

    def open_binary(self) -> IO[bytes]:
        """Open the uncompressed bytes."""
        if self.is_gzip:
            return cast(IO[bytes], gzip.open(self.path, "rb"))
        return self.path.open("rb", buffering=BUFFER_BYTES)


def describe_file(path: Path) -> SourceFile:
    """Find out what `path` is.

    Raises:
        UnreadableFileError: it does not exist, is empty, or is of no kind that can be read.
    """
    if not path.is_file():
        raise UnreadableFileError(f"File {path} does not exist.")
    is_gzip, sample = _read_sample(path)
    if not sample:
        raise UnreadableFileError(f"File {path} is empty.")
    if sample.startswith(b"PAR1"):
        return SourceFile(path, "parquet", is_gzip, "binary")
    if sample.startswith(b"PK\x03\x04"):
        return SourceFile(path, "xlsx", is_gzip, "binary")
    encoding = detect_encoding(sample)
    text = sample.decode(encoding, errors="replace").lstrip("\ufeff")
    file_format, delimiter = _text_format(path, text)
    return SourceFile(path, file_format, is_gzip, encoding, delimiter)


def _read_sample(path: Path) -> tuple[bool, bytes]:
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not is_gzip:
            return False, raw.read(SAMPLE_BYTES)
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return True, unpacked.read(SAMPLE_BYTES)
        except (OSError, EOFError) as error:
            raise UnreadableFileError(f"File {path} is a broken gzip file: {error}") from error


def _extension_format(path: Path) -> FileFormat | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return EXTENSIONS.get(suffixes[-1]) if suffixes else None


def _text_format(path: Path, text: str) -> tuple[FileFormat, str]:
    promised = _extension_format(path)
    start = text.lstrip()[:1]
    if start == "[":
        return "json", ","
    if start == "{" and promised != "txt":
        return "jsonl", ","
    if promised in ("txt", "jsonl", "json"):
        return promised, ","
    header = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=header.count)
    if promised in ("csv", "tsv"):
        fallback = "\t" if promised == "tsv" else ","
        return promised, fallback if header.count(fallback) or not header.count(delimiter) else delimiter
    if "prompt" in header.lower() and header.count(delimiter):
        return ("tsv", "\t") if delimiter == "\t" else ("csv", delimiter)
    known = ", ".join(sorted(set(EXTENSIONS)))
    raise UnreadableFileError(
        f"File {path} is of no known kind. Give it one of these extensions: {known} (.gz may follow)."
    )
