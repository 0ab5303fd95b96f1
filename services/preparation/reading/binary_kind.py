"""What a file that is no text is: told by its first bytes, and by what lies in it where it is an archive."""

import re
import zipfile
from typing import IO, Final, Literal

BinaryFormat = Literal["xlsx", "workbook", "parquet", "arrow"]
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP: Final = b"PK\x03\x04"
ARROW_STREAM: Final = re.compile(rb"\xff{4}[\s\S]{3}\x00[\s\S]{2}\x00\x00")
ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
SPREADSHEET: Final = "application/vnd.oasis.opendocument.spreadsheet"
AS_WORKBOOK: Final = "Open it and save it as .xlsx or as CSV UTF-8."
# Kinds that people bring and that are not read: how they begin, what they are, what to do.
OTHERS: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"%PDF-", "a PDF document", "Copy its texts into a table with the columns prompt and completion."),
    (b"\x1f\x8b", "compressed twice with gzip", "Unpack it once."),
    (b"BZh", "compressed with bzip2", "Unpack it first (bunzip2), or compress it with gzip."),
    (b"\xfd7zXZ\x00", "compressed with xz", "Unpack it first (unxz), or compress it with gzip."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first (unzstd), or compress it with gzip."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first."),
    (b"Rar!", "a RAR archive", "Unpack it first."),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (b"\x80\x04\x95", "a pickle of Python, which may run code when it is read", "Write it as jsonl or parquet."),
    (b"\x80\x05\x95", "a pickle of Python, which may run code when it is read", "Write it as jsonl or parquet."),
    (b"ORC", "an ORC table", "Write it as parquet."),
    (b"\x89HDF", "an HDF5 file", "Write it as parquet."),
    (b"FEA1", "a Feather file of the first version", "Write it as parquet."),
    (b"{\\rtf", "a rich text document", "Save it as plain text."),
    (b"\x89PNG", "a picture", "Only texts can be learned."),
    (b"\xff\xd8\xff", "a picture", "Only texts can be learned."),
)


class UnsupportedKindError(Exception):
    """The file is of a kind that is known and not read; the message says what it is, and what to do."""


def find_binary_kind(sample: bytes, raw: IO[bytes]) -> BinaryFormat | None:
    """Return what a file that begins with `sample` is; None when it may be text. `raw` gives all of it, from anywhere.

    Raises: UnsupportedKindError for one that is not read, with what to do instead.
    """
    if sample.startswith(b"PAR1"):
        return "parquet"
    if sample.startswith(b"ARROW1") or ARROW_STREAM.match(sample):
        return "arrow"
    if sample.startswith(ZIP):
        return _find_archive_kind(raw)
    if sample.startswith(OLE):
        if ENCRYPTED in sample:
            raise UnsupportedKindError(f"is protected by a password. {AS_WORKBOOK[:-1]}, without a password.")
        return "workbook"
    for start, kind, advice in OTHERS:
        if sample.startswith(start):
            raise UnsupportedKindError(f"is {kind}. {advice}")
    head = sample[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<table", b"<meta", b"<style")):
        raise UnsupportedKindError(f"is a web page (also if its name ends in .xls). {AS_WORKBOOK}")
    if head.startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in sample:
        raise UnsupportedKindError(f"is an XML spreadsheet of 2003. {AS_WORKBOOK}")
    return None


def _find_archive_kind(raw: IO[bytes]) -> BinaryFormat:
    """A zip archive: a workbook by the parts that it has."""
    try:
        with zipfile.ZipFile(raw) as archive:
            names = set(archive.namelist())
            declared = archive.read("mimetype")[:200].decode("ascii", "replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError):
        return "xlsx"  # its reader says what is broken
    if declared.strip() == SPREADSHEET or "xl/workbook.bin" in names:
        return "workbook"
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in names) or "Index.zip" in names:
        raise UnsupportedKindError("is a document of Numbers. Export it as CSV (Unicode UTF-8) or as Excel.")
    if any(name.startswith("word/") for name in names) or declared.startswith("application/vnd.oasis"):
        raise UnsupportedKindError("is a text document. Copy its texts into a table with prompt and completion.")
    if "xl/workbook.xml" in names or "[Content_Types].xml" in names:
        return "xlsx"
    shown = ", ".join(sorted(names)[:5])
    raise UnsupportedKindError(f"is an archive ({shown[:200]}). Unpack it first, and name the files or their folder.")
