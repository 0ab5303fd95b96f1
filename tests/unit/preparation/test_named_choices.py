"""What a person says about a file: fields, sheet, several files as one, a preview. Kinds told by their content."""

import io
import json
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

from services.preparation.errors import UnreadableFileError, UnusableRowsError
from services.preparation.fixes.text_repairs import TEXT_REPAIRS
from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.test_awkward_files import make_book, pairs_of, write
from tests.unit.preparation.test_command import _run

TALK = {"m": [{"c": "hi"}, {"c": "ho"}], "x.y": "dotted"}


@pytest.mark.parametrize(
    ("prompt", "completion", "pair"),
    [
        ("m.0.c", "m.1.c", ("hi", "ho")),
        ("x.y", "m.-1.c", ("dotted", "ho")),
        ("m.0.c,x.y", "m.1.c", ("hi,dotted", "ho")),
    ],
)
def test_nested_fields_are_taken_by_their_paths(
    prompt: str, completion: str, pair: tuple[str, str], tmp_path: Path
) -> None:
    path = write(tmp_path, "a.jsonl", json.dumps(TALK) + "\n" + json.dumps({"m": [{"c": "hi"}]}))
    read = read_file(path, ReadingChoices(prompt_field=prompt, completion_field=completion))
    assert [(problem.line, problem.code) for problem in read.problems] == [(2, "not_convertible")]
    assert pairs_of(read) == [pair]


def test_columns_of_any_table_are_taken_and_a_missing_one_is_named(tmp_path: Path) -> None:
    chosen = ReadingChoices(prompt_field="q", completion_field="a b")
    for name, content in (("a.csv", b"q,a b\nx,y\n"), ("a.xlsx", make_book([("q", "a b"), ("x", "y")]))):
        assert pairs_of(read_file(write(tmp_path, name, content), chosen)) == [("x", "y")]
        with pytest.raises(UnusableRowsError, match=r"no column `zz`; there are `q`, `a b`"):
            read_file(tmp_path / name, ReadingChoices(prompt_field="zz", completion_field="q"))


def make_sheets() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Read me"
    book.active.append(["just words"])
    data = book.create_sheet("Data")
    for row in [("My rows",), (), ("Prompt ", "COMPLETION"), ("p1", "c1"), (None, "c2"), ("p3", "c3")]:
        data.append(row)
    data.merge_cells("A4:A5")
    data.row_dimensions[6].hidden = True
    hidden = book.create_sheet("Old")
    hidden.sheet_state = "hidden"
    for row in [("prompt", "completion"), ("x", "y")]:
        hidden.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_the_sheet_with_rows_is_found_and_its_merged_and_hidden_cells_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, "a.xlsx", make_sheets())
    read = read_file(path)
    assert {code: list(rows) for code, rows in read.noted.items()} == {"merged_cell": [1], "hidden_row": [2]}
    assert read.set_notes == {
        "other_sheets": "`Data` is read, and not `Read me`, `Old`",
        "header_mended": "`Prompt`",
    }
    assert pairs_of(read) == [("p1", "c1"), ("p1", "c2"), ("p3", "c3")]
    for name in ("Old", "3"):
        assert pairs_of(read_file(path, ReadingChoices(sheet=name))) == [("x", "y")]
    with pytest.raises(UnreadableFileError, match=r"no sheet `Neu`; there are `Read me`, `Data`, `Old`"):
        read_file(path, ReadingChoices(sheet="Neu"))


ODS = """<?xml version="1.0" encoding="UTF-8"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>
 <table:table table:name="S">%s</table:table></office:spreadsheet></office:body></office:document-content>"""
MANIFEST = """<?xml version="1.0"?><m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">
 <m:file-entry m:full-path="/" m:media-type="application/vnd.oasis.opendocument.spreadsheet"/></m:manifest>"""


def make_archive(parts: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_an_opendocument_table_is_read(tmp_path: Path) -> None:
    cells = [["prompt", "completion"], ["schön", "故事"]]
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    rows = "".join(f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in cells)
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = make_archive({"mimetype": kind, "content.xml": ODS % rows, "META-INF/manifest.xml": MANIFEST})
    assert pairs_of(read_file(write(tmp_path, "a.ods", content))) == [("schön", "故事")]


def test_an_opendocument_table_tells_white_space_hidden_rows_merged_cells_and_formulas(tmp_path: Path) -> None:
    def cell(text: str, more: str = 'office:value-type="string"') -> str:
        return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"

    def row(*cells: str, more: str = "") -> str:
        return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"

    spaced = 'a<text:tab/>b<text:s text:c="3"/><text:span>c</text:span><text:line-break/>d</text:p><text:p>e'
    noted = "<office:annotation><text:p>never</text:p></office:annotation>f"
    merged = 'office:value-type="string" table:number-rows-spanned="2" table:number-columns-spanned="1"'
    rows = [
        row(cell("prompt"), cell("completion"), '<table:table-cell table:number-columns-repeated="16382"/>'),
        row(cell("x", merged), cell(spaced)),
        row("<table:covered-table-cell/>", cell(noted), more='table:visibility="collapse"'),
        row(cell("1.50 €", 'office:value-type="currency" office:value="1.5"'), cell("y")),
        row(
            cell("1.5.24", 'office:value-type="date" office:date-value="2024-05-01"'),
            cell("z"),
            more='table:number-rows-repeated="2"',
        ),
        row(cell("p"), '<table:table-cell table:formula="of:=[.A1]"/>'),
        row("<table:table-cell/>", more='table:number-rows-repeated="1048570"'),
    ]
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = make_archive({"mimetype": kind, "content.xml": ODS % "".join(rows), "META-INF/manifest.xml": MANIFEST})
    read = read_file(write(tmp_path, "a.ods", content))
    assert {code: list(ids) for code, ids in read.noted.items()} == {
        "merged_cell": [1], "hidden_row": [1], "formula_without_value": [5],
    }  # fmt: skip
    assert pairs_of(read) == [
        ("x", "a\tb   c\nd\ne"), ("x", "f"), ("1.5", "y"), ("2024-05-01", "z"), ("2024-05-01", "z"), ("p", ""),
    ]  # fmt: skip


def test_arrow_tables_as_datasets_keeps_them_are_read(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["a", "b"], "completion": ["c", "d"]})
    for number, make in enumerate((pa.ipc.new_stream, pa.ipc.new_file)):
        path = tmp_path / f"{number}.arrow"
        with pa.OSFile(str(path), "wb") as out, make(out, table.schema) as writer:
            writer.write_table(table)
        assert pairs_of(read_file(path)) == [("a", "c"), ("b", "d")]


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.numbers", make_archive({"Index/Document.iwa": "x"}), "Numbers. Export it"),
        ("b.numbers", make_archive({"Index.zip": "x", "preview.jpg": "x"}), "Numbers. Export it"),
        ("a.zip", make_archive({"a.csv": "prompt,completion\na,b\n"}), r"an archive \(a.csv\). Unpack it"),
        ("a.docx", make_archive({"word/document.xml": "x"}), "a text document"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        ("a.xls", OLE, "not a readable workbook"),
        ("a.xls", b"<html><table><tr><td>prompt</td></tr></table>", "a web page"),
        ("a.csv", b"%PDF-1.7", "a PDF document"),
        ("a.pkl", b"\x80\x04\x95\x00", "a pickle"),
        ("a.csv.bz2", b"BZh91AY", "bunzip2"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=says):
        read_file(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ("\ufeffprompt,completion\na,b\n", {}),
        ("\ufeff Prompt ,COMPLETION\u200b\na,b\n", {"header_mended": "`Prompt`, `COMPLETION`"}),
        ("sep=;\nprompt;completion\na;b\n", {}),
        ("prompt|completion\na|b\n", {}),
        ("prompt\tcompletion\na\tb\n", {}),
        ("prompt,completion,prompt\na,b,c\n", {"duplicate_column": "`prompt`: the first of them is read"}),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a"])
def test_headers_and_delimiters_as_people_have_them(
    content: str, notes: dict[str, str], name: str, tmp_path: Path
) -> None:
    read = read_file(write(tmp_path, name, content))
    assert read.set_notes == notes
    assert pairs_of(read) == [("a", "b")]


def test_line_ends_of_every_kind_may_stand_in_one_file(tmp_path: Path) -> None:
    rows = [("a", "one"), ("b", "two\nlines"), ("c", "three"), ("d", "four")]
    table = 'prompt,completion\r\na,one\nb,"two\nlines"\rc,three\r\nd,four'
    assert pairs_of(read_file(write(tmp_path, "a.csv", table))) == rows
    lines = [json.dumps({"prompt": p, "completion": c}) for p, c in rows]
    mixed = f"{lines[0]}\r\n{lines[1]}\n\r\n{lines[2]}\n{lines[3]}"
    assert pairs_of(read_file(write(tmp_path, "a.jsonl", mixed))) == rows


def test_dates_and_numbers_are_as_the_sheet_shows_them(tmp_path: Path) -> None:
    cells = [date(2024, 5, 1), datetime.fromisoformat("2024-05-01T12:30"), "007", 7, 1.5, 1e20, "1e3", time(8, 15)]
    told = ["2024-05-01", "2024-05-01 12:30:00", "007", "7", "1.5", "1e+20", "1e3", "08:15:00"]
    book = make_book([("prompt", "completion"), *((f"{n}", cell) for n, cell in enumerate(cells))])
    read = read_file(write(tmp_path, "a.xlsx", book))
    assert [completion for _, completion in pairs_of(read)] == told


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_a_table_without_a_header_says_how_to_give_it_one(name: str, tmp_path: Path) -> None:
    content = (
        make_book([("Wer ->", "Ada kam."), ("Wo ->", "Hier.")])
        if name == "a.xlsx"
        else b"Wer ->,Ada kam.\nWo ->,Hier.\n"
    )
    status, output = _run(write(tmp_path, name, content), "--quiet")
    assert status == 1
    assert "There are `Wer ->`, `Ada kam.`" in output
    assert "if these are no names but the first row, put a line above it that says prompt,completion" in output


def test_several_files_are_one_source_and_a_preview_writes_nothing(tmp_path: Path) -> None:
    first = write(tmp_path, "1.csv", "prompt,completion\n" + "".join(f"a{n},b{n}.\n" for n in range(6)))
    talk = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    second = write(tmp_path, "2.jsonl", json.dumps(talk) + "\n")
    status, output = _run(first, second, "--preview", "3", "--quiet")
    assert (status, "a2" in output, "a3" in output, "user: q" in output) == (0, True, False, True), output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.csv", "2.jsonl"]
    status, output = _run(first, second, "--quiet", "--name", tmp_path / "all")
    assert status == 0, output
    rows = [json.loads(line)["messages"] for line in (tmp_path / "all_prepared.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert rows[-1] == talk["messages"]


def test_rows_of_a_workbook_are_always_written(tmp_path: Path) -> None:
    rows = [(f"{n} ->", f" Story {n}\n") for n in range(12)]
    path = write(tmp_path, "a.xlsx", make_book([("prompt", "completion"), *rows]))
    status, output = _run(path, "--quiet")
    assert status == 0, output
    assert len((tmp_path / "a_prepared.jsonl").read_text().splitlines()) == 12


@pytest.mark.parametrize(
    ("repair", "text", "mended"),
    [
        ("undo_wrong_decoding", "schÃ¶n fÃ¼r â€œdichâ€\x9d", "schön für “dich”"),
        ("undo_wrong_decoding", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
        ("undo_wrong_decoding", "schön für dich, Ça va", "schön für dich, Ça va"),
        ("undo_escapes", "one_x000D_\\u00e9 \\ud83d\\ude00", "one\ré 😀"),
        ("undo_escapes", "one\\n\\nTwo", "one\n\nTwo"),
        ("undo_escapes", "$\\nabla$ \\new", "$\\nabla$ \\new"),
        ("unescape_markup", "<p>a&nbsp;&mdash;&#233;</p>", "a —é"),
    ],
)
def test_repairs_mend_what_was_left_over_and_nothing_else(repair: str, text: str, mended: str) -> None:
    assert TEXT_REPAIRS[repair](text) == mended
