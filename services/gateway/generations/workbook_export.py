"""A run's stories as an Excel workbook, streamed: one sheet of text, the attributes' columns and then `story`.

Written part by part, since writers of workbooks hold all of one, or write it to a disk first.
"""

import re
import zipfile
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from services.gateway.generations.append_sink import AppendSink
from services.gateway.wiring import Gateway
from shared.errors import InvalidRequestError
from shared.stores.db.models import Generation, RecipeVersion
from shared.stores.db.repositories.stories import iterate_succeeded, measure_succeeded

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CELL_CHARACTERS: Final = 32_767
SHEET_ROWS: Final = 1_048_576
"""Excel's own bounds."""
SHEET_BYTES: Final = 1_000_000_000
"""Of text. A part beyond 2 GiB needs another kind of archive, which Excel does not open; escapes may double a text."""
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""When the parts were made, so that equal stories are equal bytes."""
# ISO 29500-1, 22.9.2.19 (ST_Xstring): what XML cannot hold, or would change, is written as _xHHHH_.
NOT_XML: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
TYPES: Final = "http://schemas.openxmlformats.org/package/2006"
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET: Final = "xl/worksheets/sheet1.xml"
PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{TYPES}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/{SHEET}" ContentType="{KIND}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{TYPES}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
    '<sheets><sheet name="Stories" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{TYPES}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


async def require_fitting_sheet(gateway: Gateway, run: Generation) -> None:
    """Pass when the stories fit into a sheet. Raises: InvalidRequestError for more rows, longer texts or more text than
    Excel takes: nothing is cut."""
    async with gateway.database.transaction() as session:
        size = await measure_succeeded(session, run.id)
    if size.stories >= SHEET_ROWS or size.longest > CELL_CHARACTERS or size.text_bytes > SHEET_BYTES:
        raise InvalidRequestError(
            f"A sheet of Excel takes {SHEET_ROWS - 1:,} rows, {CELL_CHARACTERS:,} characters in a cell and here 1 GB "
            f"of text; this run has {size.stories:,} stories, the longest of {size.longest:,} characters. Export it as "
            "csv, jsonl or parquet.",
            param="format",
        )


async def write_workbook(gateway: Gateway, run: Generation, version: RecipeVersion) -> AsyncGenerator[bytes, None]:
    """Yield the workbook as it is written. The stories must fit (`require_fitting_sheet`)."""
    sink = AppendSink()
    names = version.attribute_names
    with zipfile.ZipFile(sink, "w") as book:  # a file that is only written to its end
        for name, text in PARTS.items():
            book.writestr(name_part(name), HEAD + text)
        with book.open(name_part(SHEET), "w") as sheet:
            sheet.write(f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>'.encode() + encode_row([*names, "story"]))
            async for batch in iterate_succeeded(gateway.database.long_transaction, run.id):
                rows = ([*(story.attributes[name] for name in names), story.text] for story in batch)
                sheet.write(b"".join(map(encode_row, rows)))
                yield sink.take()
            sheet.write(b"</sheetData></worksheet>")
    yield sink.take()


def name_part(name: str) -> zipfile.ZipInfo:
    """Return the entry of a part, compressed, of no time."""
    part = zipfile.ZipInfo(name, EPOCH)
    part.compress_type = zipfile.ZIP_DEFLATED
    return part


def encode_row(values: Sequence[Any]) -> bytes:
    """Return a row of cells, all of them text: no spreadsheet runs one as a formula or takes a number for a date."""
    return f"<row>{''.join(encode_cells(values))}</row>".encode()


def encode_cells(values: Iterable[Any]) -> Iterable[str]:
    """Yield each value as a cell."""
    for value in values:
        text = NOT_XML.sub(lambda found: f"_x{ord(found.group()):04X}_", "" if value is None else str(value))
        yield f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
