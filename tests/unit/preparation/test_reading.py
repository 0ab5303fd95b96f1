# ruff: noqa: E501 (texts are not broken across lines)
"""Reading of every format and encoding, and what is said about broken files."""

import csv
import gzip
import io
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.preparation.errors import UnreadableFileError
from services.preparation.findings.inspection import inspect_file
from services.preparation.reading.corrected_copy import write_corrected_copy
from services.preparation.reading.read_file import ReadFile, read_file

ROWS = [("唐,隐形", "第一个\n故事。"), ('宋,"飞行"', "second / story"), ("明", "第三个")]


def _table(delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([("prompt", "completion"), *ROWS])
    return out.getvalue()


def _json_lines() -> str:
    return "".join(json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) + "\n" for p, c in ROWS)


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in [("prompt", "completion"), *ROWS]:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": [p for p, _ in ROWS], "completion": [c for _, c in ROWS]}), out)
    return out.getvalue()


FILES = {
    "a.csv": _table().encode(),
    "bom.csv": _table().encode("utf-8-sig"),
    "utf16.csv": _table().encode("utf-16"),
    "bare16.csv": _table().encode("utf-16-le"),
    "gb.csv": (_table() * 1).encode("gb18030"),
    "a.tsv": _table("\t").encode(),
    "semicolon.csv": _table(";").encode(),
    "a.jsonl": _json_lines().encode(),
    "utf16.jsonl": _json_lines().encode("utf-16"),
    "gb.jsonl": _json_lines().encode("gb18030"),
    "a.json": json.dumps([{"prompt": p, "completion": c} for p, c in ROWS], indent=2).encode(),
    "array.jsonl": json.dumps([{"prompt": p, "completion": c} for p, c in ROWS]).encode(),
    "lines.json": _json_lines().encode(),
    "a.xlsx": _workbook(),
    "really_a_workbook.csv": _workbook(),
    "a.parquet": _parquet(),
    "no_extension": _table().encode(),
    "a.csv.gz": gzip.compress(_table().encode()),
    "a.jsonl.gz": gzip.compress(_json_lines().encode()),
    "a.parquet.gz": gzip.compress(_parquet()),
}


def _pairs(read: ReadFile) -> list[tuple[str, str]]:
    with read.store as store:
        return [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]


@pytest.mark.parametrize("name", FILES)
def test_every_format_and_encoding_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    read = read_file(path)
    assert (read.problems, read.notes) == ([], [])
    assert _pairs(read) == ROWS


def test_a_text_file_is_lines_of_completions(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("一行\r\n二行\n".encode())
    assert _pairs(read_file(path)) == [("", "一行"), ("", "二行"), ("", "")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"prompt,completion\na,b\nc,d,e\nf,g\n", ("wrong_field_count", 3, 5)),
        ("b.csv", b'prompt,completion\na,b\nc,"d\ne,f\ng,h\n', ("open_quote", 3, 3)),
        ("c.csv", "prompt,completion\n好,很好的故事\n".encode() * 1 + "坏,前".encode() + b"\xff\n" + "好,后面\n".encode() * 9, ("not_decodable", 3, 2)),
        ("a.jsonl", b'{"prompt":"a","completion":"b"}\n{"prompt":"c" "completion":"d"}\n', ("invalid_json", 2, 15)),
        ("b.jsonl", b'{"prompt":"a","completion":"b"}\n[1]\n', ("not_an_object", 2, 1)),
        ("c.jsonl", b'{"prompt":"a","completion":"b"}\n{"prompt":"c\xff","completion":"d"}\n', ("not_decodable", 2, 13)),
        ("a.json", b'[{"prompt":"a","completion":"b"},\n {"prompt" "c"}]', ("invalid_json", 2, 12)),
        ("b.json", b'[{"prompt":"a","completion":"b"}', ("invalid_json", 1, 33)),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_by_line_and_column(
    name: str, content: bytes, expected: tuple[str, int, int], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    read = read_file(path)
    problem = read.problems[0]
    assert (problem.code, problem.line, problem.column) == expected
    assert len(read.problems) == 1
    assert _pairs(read)[0][0] in ("a", "好")


def test_the_corrected_copy_and_the_rejected_lines_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,prompt,completion\n1,a,b\n2,c,d,e\n3,f,"g\n4,h,i\n', encoding="utf-8")
    read = read_file(path)
    read.store.close()
    copy = write_corrected_copy(read.source, tmp_path)
    assert copy.corrected.read_text() == "id,prompt,completion\n1,a,b\n4,h,i\n"
    rejected = [json.loads(line) for line in copy.rejected.read_text().splitlines()]
    assert [(r["line"], r["raw"]) for r in rejected] == [(3, "2,c,d,e"), (4, '3,f,"g')]
    assert path.read_text().startswith("id,prompt")
    again = read_file(copy.corrected)
    assert again.problem_count == 0
    assert _pairs(again) == [("a", "b"), ("h", "i")]


def test_of_many_notes_the_first_are_kept_and_every_row_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt":null,"completion":3}\n' * 5_000, encoding="utf-8")
    read = read_file(path)
    assert len(read.notes) == 1_000
    assert {code: list(rows) for code, rows in read.noted.items()} == {
        "null_read_as_empty": list(range(5_000)),
        "value_read_as_text": list(range(5_000)),
    }
    found = {finding.code: len(finding.row_ids) for finding in inspect_file(read, "").findings}
    assert (found["null_read_as_empty"], found["value_read_as_text"]) == (5_000, 5_000)
    read.store.close()


def test_odd_values_are_read_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt":"a","completion":3}\n{"prompt":null,"completion":"\\ud800x"},\n', encoding="utf-8")
    read = read_file(path)
    assert sorted(note.code for note in read.notes) == [
        "lone_surrogate", "null_read_as_empty", "trailing_comma", "value_read_as_text",
    ]  # fmt: skip
    assert _pairs(read) == [("a", "3"), ("", "\ufffdx")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.xyz", b"something", "no known kind"),
        ("a.pdf", b"%PDF-1.7 something", "is a PDF document"),
        ("a.xlsx", b"PK\x03\x04broken", "not a readable Excel workbook"),
        ("a.parquet", b"PAR1broken", "not a readable Parquet file"),
        ("a.csv.gz", gzip.compress(_table().encode() * 50)[:-20], "gzip"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=words):
        read_file(path)
