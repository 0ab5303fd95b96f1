"""What we and others write of the same rows reads back equal: every format, eight languages."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from services.preparation.errors import UnreadableFileError
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.test_awkward_files import make_book, pairs_of

TEXTS = {
    "English": "“It’s fine”, he said;\nthen left.",
    "German": "Grüße aus Köln, „schön“\tfür dich",
    "French": "L’élève naïf où ça, œuvre",
    "Russian": "Жил-был старик; «море»",
    "Chinese": "从前，有座山。𠮷",
    "Japanese": "むかしむかし、「東京」",
    "Arabic": "كان يا ما كان",
    "Hindi": "एक बार की बात है 😀",
}
ROWS = [(f'{name}: "{text}" ->', f"{text} | 007, _x0041_ 1.50") for name, text in TEXTS.items()]
FRAME = pd.DataFrame(ROWS, columns=["prompt", "completion"])


def write_csv(path: Path) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("prompt", "completion"), *ROWS])
    path.write_bytes(out.getvalue().encode("utf-8-sig"))


def escaped() -> list[tuple[str, ...]]:
    """The rows as openpyxl must be given them: what looks like an escape is escaped."""
    return [tuple(text.replace("_x0041_", "_x005F_x0041_") for text in row) for row in ROWS]


def write_row_by_row(path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in [("prompt", "completion"), *escaped()]:
        sheet.append(row)
    book.save(path)


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "csv module with a mark": ("a.csv", write_csv),
    "json lines": (
        "a.jsonl",
        lambda p: p.write_text("".join(json.dumps(dict(zip(FRAME, r, strict=True))) + "\n" for r in ROWS)),
    ),
    "openpyxl": ("a.xlsx", lambda p: p.write_bytes(make_book([("prompt", "completion"), *escaped()]))),
    "openpyxl row by row": ("a.xlsx", write_row_by_row),
    "pandas excel": ("a.xlsx", lambda p: pd.DataFrame(escaped(), columns=FRAME.columns).to_excel(p, index=False)),
    "pandas excel with index": ("a.xlsx", lambda p: pd.DataFrame(escaped(), columns=FRAME.columns).to_excel(p)),
    "pandas csv": ("a.csv", lambda p: FRAME.to_csv(p, index=False)),
    "pandas csv with index": ("a.csv", FRAME.to_csv),
    "pandas semicolons": ("a.csv", lambda p: FRAME.to_csv(p, index=False, sep=";")),
    "pandas tsv": ("a.tsv", lambda p: FRAME.to_csv(p, index=False, sep="\t")),
    "pandas csv in utf-16": ("a.csv", lambda p: FRAME.to_csv(p, index=False, encoding="utf-16")),
    "pandas csv with CRLF": ("a.csv", lambda p: FRAME.to_csv(p, index=False, encoding="utf-8", lineterminator="\r\n")),
    "pandas csv.gz": ("a.csv.gz", lambda p: FRAME.to_csv(p, index=False)),
    "pandas csv all quoted": ("a.csv", lambda p: FRAME.to_csv(p, index=False, quoting=csv.QUOTE_ALL)),
    "pandas csv with a mark": ("a.csv", lambda p: FRAME.to_csv(p, index=False, encoding="utf-8-sig")),
    "pandas csv in utf-32": ("a.csv", lambda p: FRAME.to_csv(p, index=False, encoding="utf-32")),
    "pandas lines.gz": ("a.jsonl.gz", lambda p: FRAME.to_json(p, orient="records", lines=True)),
    "pandas parquet with gzip": ("a.parquet", lambda p: FRAME.to_parquet(p, compression="gzip")),
    "pandas json": ("a.json", FRAME.to_json),
    "pandas records": ("a.json", lambda p: FRAME.to_json(p, orient="records", indent=2)),
    "pandas lines": ("a.jsonl", lambda p: FRAME.to_json(p, orient="records", lines=True)),
    "pandas split": ("a.json", lambda p: FRAME.to_json(p, orient="split")),
    "pandas index": ("a.json", lambda p: FRAME.to_json(p, orient="index")),
    "pandas table": ("a.json", lambda p: FRAME.to_json(p, orient="table")),
    "pandas parquet": ("a.parquet", FRAME.to_parquet),
    "pandas feather": ("a.feather", FRAME.to_feather),
}


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("a.pkl", FRAME.to_pickle, "pickle"),
        ("a.orc", FRAME.to_orc, "ORC"),
        ("a.html", FRAME.to_html, "web page"),
        ("a.csv.zip", FRAME.to_csv, "archive"),
        ("a.csv.bz2", FRAME.to_csv, "bunzip2"),
        ("a.csv.xz", FRAME.to_csv, "unxz"),
    ],
)
def test_what_pandas_writes_and_is_not_read_is_named(
    name: str, write: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(UnreadableFileError, match=says):
        read_file(tmp_path / name)


@pytest.mark.parametrize("writer", WRITERS)
def test_rows_read_back_equal(writer: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    write(tmp_path / name)
    read = read_file(tmp_path / name)
    assert read.problems == []
    assert pairs_of(read) == ROWS


@pytest.mark.parametrize("ending", ["csv", "xlsx", "xls", "ods"])
def test_what_libreoffice_writes_reads_back_equal(ending: str, tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed: apt-get install libreoffice-calc-nogui")
    source = tmp_path / "rows.csv"
    write_csv(source)
    filters = {"csv": "csv:Text - txt - csv (StarCalc):44,34,76,1", "xls": "xls:MS Excel 97"}
    target = tmp_path / "out"
    import_utf8 = "--infilter=CSV:44,34,76,1,1/2/2/2"  # both columns as text
    command = [office, "--headless", import_utf8, "--convert-to", filters.get(ending, ending), "--outdir", str(target)]
    subprocess.run([*command, str(source)], check=True, timeout=300, capture_output=True)
    assert pairs_of(read_file(target / f"rows.{ending}")) == ROWS
