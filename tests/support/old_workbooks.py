"""Workbooks that no library at hand writes: Excel's of before 2007 (BIFF8 in an OLE file) and its binary ones (BIFF12).

Small, and to the letter of [MS-CFB], [MS-XLS] and [MS-XLSB]: one sheet, text and numbers.
"""

import io
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import count

Cell = str | float
SECTOR = 512
SMALLEST_STREAM = 4096
"""Shorter streams lie elsewhere in an OLE file."""
END_OF_CHAIN, FREE, FAT_SECTOR = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
FIRST_SECTOR = 2
"""Of the stream: before it are the table of sectors and the directory."""
TYPES = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
KIND = "application/vnd.ms-excel"


def write_xls(rows: Sequence[Sequence[Cell]], sheet: str = "Tabelle1") -> bytes:
    """Return rows as a workbook of Excel 97 to 2003."""
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0)) + _record(0x0042, b"\xb0\x04")
    name = sheet.encode("utf-16-le")
    size = len(start) + 4 + 8 + len(name) + 4
    bound = struct.pack("<IBBBB", size, 0, 0, len(sheet), 1) + name
    cells = b"".join(_old_cell(row, column, value) for row, column, value in _place(rows))
    body = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells + _record(0x000A, b"")
    return _write_ole("Workbook", start + _record(0x0085, bound) + _record(0x000A, b"") + body)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _old_cell(row: int, column: int, value: Cell) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        text = value.encode("utf-16-le")
        return _record(0x0204, place + struct.pack("<HB", len(text) // 2, 1) + text)
    return _record(0x0203, place + struct.pack("<d", value))


def _place(rows: Sequence[Sequence[Cell]]) -> Iterator[tuple[int, int, Cell]]:
    return ((at, column, value) for at, row in enumerate(rows) for column, value in enumerate(row))


def _write_ole(name: str, stream: bytes) -> bytes:
    padded = stream.ljust(max(SMALLEST_STREAM, -(-len(stream) // SECTOR) * SECTOR), b"\x00")
    sectors = len(padded) // SECTOR
    chain = [*range(FIRST_SECTOR + 1, FIRST_SECTOR + sectors), END_OF_CHAIN]
    table = [FAT_SECTOR, END_OF_CHAIN, *chain]
    table += [FREE] * (SECTOR // 4 - len(table))
    assert len(table) == SECTOR // 4, "one sector of the table: 63 kB"
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, SMALLEST_STREAM, END_OF_CHAIN, 0, END_OF_CHAIN, 0)
    header += struct.pack("<I", 0) + struct.pack("<I", FREE) * 108
    entries = [
        _entry("Root Entry", 5, 1, END_OF_CHAIN, 0),
        _entry(name, 2, FREE, FIRST_SECTOR, len(padded)),
        _entry("", 0, FREE, 0, 0),
        _entry("", 0, FREE, 0, 0),
    ]
    return header + struct.pack(f"<{len(table)}I", *table) + b"".join(entries) + padded


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = (name + "\0").encode("utf-16-le") if name else b""
    head = text.ljust(64, b"\x00") + struct.pack("<HBBIII", len(text), kind, 1, FREE, FREE, child)
    return head + bytes(16 + 4 + 16) + struct.pack("<IQ", start, size)


def write_xlsb(
    rows: Sequence[Sequence[Cell]], sheet: str = "Tabelle1", number_rows: Callable[[int], int] = lambda row: row
) -> bytes:
    """Return rows as a binary workbook of Excel 2007 and later. `number_rows` may leave some empty."""
    bundle = _binary(156, struct.pack("<II", 0, 1) + _wide("rId1") + _wide(sheet))
    book = _binary(131) + _binary(143) + bundle + _binary(144) + _binary(132)
    last = (len(rows) - 1, max(map(len, rows)) - 1)
    size = _binary(148, struct.pack("<IIII", 0, last[0], 0, last[1]))
    cells = b"".join(map(_binary_row, map(number_rows, count()), rows))
    part = _binary(129) + size + _binary(145) + cells + _binary(146) + _binary(130)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("[Content_Types].xml", _types())
        archive.writestr("_rels/.rels", _relation("officeDocument", "xl/workbook.bin"))
        archive.writestr("xl/_rels/workbook.bin.rels", _relation("worksheet", "worksheets/sheet1.bin"))
        archive.writestr("xl/workbook.bin", book)
        archive.writestr("xl/worksheets/sheet1.bin", part)
    return out.getvalue()


def _types() -> str:
    parts = (("workbook", "sheet.binary.macroEnabled.main"), ("worksheets/sheet1", "worksheet"))
    told = "".join(f'<Override PartName="/xl/{part}.bin" ContentType="{KIND}.{kind}"/>' for part, kind in parts)
    rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'<?xml version="1.0"?><Types xmlns="{TYPES}/content-types">{rels}{told}</Types>'


def _relation(kind: str, target: str) -> str:
    told = f'<Relationship Id="rId1" Type="{OFFICE}/{kind}" Target="{target}"/>'
    return f'<?xml version="1.0"?><Relationships xmlns="{TYPES}/relationships">{told}</Relationships>'


def _binary(kind: int, content: bytes = b"") -> bytes:
    number = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size = bytearray()
    left = len(content)
    while left > 127:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    return number + bytes([*size, left]) + content


def _wide(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return struct.pack("<I", len(raw) // 2) + raw


def _binary_row(number: int, row: Sequence[Cell]) -> bytes:
    head = _binary(0, struct.pack("<II", number, 0) + bytes(9))
    return head + b"".join(
        _binary(6, struct.pack("<II", at, 0) + _wide(value))
        if isinstance(value, str)
        else _binary(5, struct.pack("<IId", at, 0, value))
        for at, value in enumerate(row)
    )
