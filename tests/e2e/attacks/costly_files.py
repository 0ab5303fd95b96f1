"""Small files that are much when they are read, and rows that take long to parse."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

MEGABYTE: Final = 1_000_000
HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/sharedStrings.xml" ContentType="{KIND}.sharedStrings+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets>'
    "</workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}
"""Of a workbook with one sheet."""


def pack(*pieces: bytes, times: int = 1) -> bytes:
    """Return the pieces, the middle one many times, compressed."""
    first, middle, last = pieces
    out = io.BytesIO()
    with gzip.open(out, "wb", 1) as packed:
        packed.write(first)
        for _ in range(times):
            packed.write(middle)
        packed.write(last)
    return out.getvalue()


def make_long_line() -> bytes:
    """600 KB with one line of 600 MB."""
    return pack(b'{"prompt":"', "故事".encode() * 170_000, b'","completion":"a"}\n', times=600)


def make_text_line() -> bytes:
    """The same, without JSON."""
    return pack(b"", "故事".encode() * 170_000, b"\n", times=600)


def make_open_quote() -> bytes:
    """A table whose second line opens a quote that is not closed for 500 MB."""
    return pack(b'prompt,completion\n"', b"a tale, told\n" * 77_000, b"", times=500)


def make_square() -> bytes:
    """Two prompts of 20 MB that differ at their end."""
    rows = [b'{"prompt":"' + b"a" * 20 * MEGABYTE + end + b'","completion":"b"}' for end in (b"", b"b")]
    return gzip.compress(b"\n".join(rows))


def make_equal_prompts() -> bytes:
    """Three rows with the same prompt of 20 MB."""
    row = b'{"prompt":"' + b"a" * 20 * MEGABYTE + b'","completion":"b"}\n'
    return gzip.compress(row * 3)


def make_nested() -> bytes:
    """A chat whose message has a key with lists in lists, 900 deep."""
    extra = b"[" * 900 + b"]" * 900
    return (
        b'{"messages":[{"role":"user","content":"x","extra":' + extra + b'},{"role":"assistant","content":"y"}]}\n' * 99
    )


def make_dictionary() -> bytes:
    """A parquet of 3,000 rows with one text of 1 MB."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["x" * MEGABYTE]))
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": column, "completion": column}), out, compression="zstd")
    return out.getvalue()


def make_long_cells() -> bytes:
    """A parquet of 2,000 different texts of 1 MB."""
    out = io.BytesIO()
    schema = pa.schema([("prompt", pa.string()), ("completion", pa.string())])
    with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=False) as writer:
        for number in range(200):
            column = pa.array([f"{number} {row}" + "x" * MEGABYTE for row in range(10)])
            writer.write_table(pa.table([column, pa.array(["b"] * 10)], schema=schema))
    return out.getvalue()


def make_shared_string() -> bytes:
    """A workbook of one text of 300 MB."""
    return make_workbook(rows=1, copies=300)


def make_same_string() -> bytes:
    """A workbook of 100,000 rows with one text of 1 MB."""
    return make_workbook(rows=100_000, copies=1)


def make_workbook(rows: int, copies: int) -> bytes:
    """Return a workbook whose cells all show one text, of so many MB, in its table of texts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PARTS.items():
            archive.writestr(name, HEAD + content)
        cells = "".join(f'<row r="{at}">{cell("A", at, 2)}{cell("B", at, 2)}</row>' for at in range(2, rows + 2))
        header = f'<row r="1">{cell("A", 1, 0)}{cell("B", 1, 1)}</row>'
        archive.writestr(
            "xl/worksheets/sheet1.xml", f"{HEAD}<worksheet {MAIN}><sheetData>{header}{cells}</sheetData></worksheet>"
        )
        with archive.open("xl/sharedStrings.xml", "w", force_zip64=True) as texts:
            texts.write(f"{HEAD}<sst {MAIN}><si><t>prompt</t></si><si><t>completion</t></si><si><t>".encode())
            for _ in range(copies):
                texts.write(b"x" * MEGABYTE)
            texts.write(b"</t></si></sst>")
    return out.getvalue()


def cell(column: str, row: int, text: int) -> str:
    """Return a cell that shows a text of the table."""
    return f'<c r="{column}{row}" t="s"><v>{text}</v></c>'


def make_plain_line() -> bytes:
    """A row of 400 MB to train on."""
    return b'{"prompt":"' + b"a tale " * 57_000_000 + b'","completion":"b"}\n'


def make_lists_row() -> bytes:
    """A row of 100 MB to train on, of empty lists."""
    return b'{"prompt":"a","completion":"b","x":[' + b",".join([b"[]"] * 33_000_000) + b"]}\n"


def make_many_rows() -> bytes:
    """A million rows to train on."""
    return (json.dumps({"prompt": "a", "completion": "b"}) + "\n").encode() * 1_000_000


ORDERED: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "long_line": ("line.jsonl.gz", make_long_line),
    "text_line": ("line.txt.gz", make_text_line),
    "open_quote": ("quote.csv.gz", make_open_quote),
    "square": ("square.jsonl.gz", make_square),
    "equal_prompts": ("equal.jsonl.gz", make_equal_prompts),
    "nested": ("nested.jsonl", make_nested),
    "dictionary": ("bomb.parquet", make_dictionary),
    "long_cells": ("cells.parquet", make_long_cells),
    "shared_string": ("string.xlsx", make_shared_string),
    "same_string": ("rows.xlsx", make_same_string),
}
"""Prepared as datasets."""
TRAINED_ON: Final[dict[str, Callable[[], bytes]]] = {
    "plain_line": make_plain_line,
    "lists_row": make_lists_row,
    "many_rows": make_many_rows,
}
"""Rows for a fine-tuning job, an estimate, a comparison."""
