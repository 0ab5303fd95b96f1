"""Files as people really have them: the right rows, or a refusal that says why. Each made a wrong row once."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from services.preparation.errors import UnreadableFileError
from services.preparation.findings.inspection import inspect_file
from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.read_file import ReadFile, read_file
from services.preparation.reading.text_encoding import EncodingUnclearError

GERMAN = "prompt,completion\n" + "".join(f"Hallo {i} ->,schön für {i} über möchte\n" for i in range(12))
LINES = '{"prompt":"a ->","completion":" b"}\n{"prompt":"c ->","completion":" d"}\n'


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pairs_of(read: ReadFile) -> list[tuple[str, str]]:
    with read.store as store:
        return [pair for batch in store.batches() for pair in zip(batch.prompts, batch.completions, strict=True)]


def records_of(read: ReadFile) -> list[dict[str, object]]:
    with read.store as store:
        return [json.loads(record) for batch in store.batches() for record in batch.records]


def codes_of(read: ReadFile) -> dict[str, str]:
    return {finding.code: finding.detail for finding in inspect_file(read, "").findings}


def change_part(book: bytes, name: str, old: str, new: str) -> bytes:
    """Return a workbook with a text of one of its parts replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.namelist():
            content = source.read(part)
            if part == name:
                assert old.encode() in content, content[:500]
                content = content.replace(old.encode(), new.encode())
            target.writestr(part, content)
    return out.getvalue()


def make_book(rows: list[tuple[object, ...]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_german_in_a_code_page_is_german_and_said_to_be_a_guess(tmp_path: Path) -> None:
    read = read_file(write(tmp_path, "de.csv", GERMAN.encode("cp1252")))
    assert read.source.encoding == "cp1252"
    told = codes_of(read)["encoding_guessed"]
    assert told.startswith("read as cp1252: Hallo 0 ->,schön für 0 über möchte | ")
    assert pairs_of(read)[3] == ("Hallo 3 ->", "schön für 3 über möchte")


STORIES = {
    "cp1252": "Où est l'élève ?,Il a été à l'école où ça se passe très bien",
    "iso8859_15": "Où est l'élève ?,Il a été à l'école où ça se passe très bien",
    "mac_roman": "Où est l'élève ?,Il a été à l'école où ça se passe très bien",
    "cp850": "Frage,Grüße aus Köln",
    "cp1250": "Opowiedz bajkę,Żółw pojechał do Łodzi i zjadł gęś",
    "iso8859_2": "Opowiedz bajkę,Żółw pojechał do Łodzi i zjadł gęś; która była świąteczna",
    "cp1251": "Расскажи,Жил-был старик со своею старухой у самого синего моря",
    "koi8_r": "Расскажи,Жил-был старик со своею старухой у самого синего моря",
    "cp866": "Расскажи,Жил-был старик со своею старухой у самого синего моря",
    "cp1253": "Πες μια ιστορία,Μια φορά και έναν καιρό ήταν ένας βασιλιάς",
    "cp1254": "Hikaye anlat,Bir varmış bir yokmuş; güneş doğmuş şehirde çocuk gülmüş",
    "cp1255": "ספר סיפור,היה היה פעם מלך שגר בארמון גדול",
    "cp1256": "احك قصة,كان يا ما كان في قديم الزمان ملك عادل",
    "cp874": "เล่านิทาน,กาลครั้งหนึ่งนานมาแล้ว",
    "gb18030": "唐，隐形,第一个故事发生在长安城，使用Python写代码",
    "cp950": "說一個故事,從前有一個國王住在美麗的城堡裡",
    "cp932": "昔話,むかしむかし、東京都に、おじいさんがいました",
    "euc_jp": "物語,東京都知事選挙 結果発表",
    "cp949": "이야기,옛날 옛적에 호랑이가 담배 피우던 시절",
    "iso2022_jp": "昔話,むかしむかし",
    "utf-16-le": "说,从前有座山",
    "utf-16-be": "说,从前有座山",
    "utf-32": "说,从前有座山",
    "utf-32-le": "说,从前有座山",
}


@pytest.mark.parametrize("encoding", STORIES)
def test_a_short_text_in_any_code_page_is_read_right(encoding: str, tmp_path: Path) -> None:
    text = "prompt,completion\r\n" + f"{STORIES[encoding]}\r\n" * 3
    read = read_file(write(tmp_path, "a.csv", text.encode(encoding)))
    assert pairs_of(read) == [tuple(STORIES[encoding].split(","))] * 3
    proves_itself = encoding.startswith(("utf", "iso2022"))
    assert ("encoding_guessed" in read.set_notes) is not proves_itself


def test_readings_that_are_near_are_named_and_the_owner_decides(tmp_path: Path) -> None:
    text = "prompt,completion\n" + "Příběh,Žluťoučký kůň úpěl ďábelské ódy\n" * 3
    path = write(tmp_path, "cs.csv", text.encode("iso8859_2"))
    with pytest.raises(EncodingUnclearError) as caught:
        read_file(path)
    assert {one.encoding for one in caught.value.candidates} >= {"iso8859_2", "cp1250"}
    assert all(one.lines for one in caught.value.candidates)
    read = read_file(path, ReadingChoices(encoding="latin2"))
    assert not read.set_notes
    assert pairs_of(read)[0] == ("Příběh", "Žluťoučký kůň úpěl ďábelské ódy")


def test_a_late_first_letter_beyond_ascii_still_tells_the_encoding(tmp_path: Path) -> None:
    text = "prompt,completion\n" + "number,one two three\n" * 60_000 + "Wo,schön für möchte über Köln\n" * 3
    read = read_file(write(tmp_path, "late.csv", text.encode("cp1252")))
    assert read.problem_count == 0
    assert pairs_of(read)[-1] == ("Wo", "schön für möchte über Köln")


@pytest.mark.parametrize("name", ["no-such", "rot13", "punycode", "unicode_escape"])
def test_an_encoding_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="encoding"):
        read_file(write(tmp_path, "a.csv", GERMAN), ReadingChoices(encoding=name))


@pytest.mark.parametrize("name", ["train.txt", "train.csv"])
def test_json_lines_under_any_name_are_json_lines(name: str, tmp_path: Path) -> None:
    read = read_file(write(tmp_path, name, LINES))
    assert read.source.format == "jsonl"
    assert pairs_of(read) == [("a ->", " b"), ("c ->", " d")]


@pytest.mark.parametrize("text", ["[Chapter 1] It rained.\nAnd rained.", "{stage left} He goes.\nShe stays."])
def test_prose_that_begins_with_a_bracket_stays_prose(text: str, tmp_path: Path) -> None:
    assert [c for _, c in pairs_of(read_file(write(tmp_path, "a.txt", text)))] == text.split("\n")


@pytest.mark.parametrize("dimension", ["A1", "A1:B1", "Z99:ZZ100"])
def test_a_wrong_dimension_hides_no_cell(dimension: str, tmp_path: Path) -> None:
    book = make_book([("prompt", "completion"), ("a ->", "b"), ("c ->", "d")])
    book = change_part(book, SHEET, '<dimension ref="A1:B3" />', f'<dimension ref="{dimension}"/>')
    assert pairs_of(read_file(write(tmp_path, "wps.xlsx", book))) == [("a ->", "b"), ("c ->", "d")]


def test_cells_are_what_excel_shows(tmp_path: Path) -> None:
    book = make_book(
        [
            ("prompt", "completion"),
            ("a", "one_x000D_\ntwo"),
            ("b", "_x005F_x0041_ _xD83D__xDE00_"),
            ("c", True),
            ("d", 3.0),
        ]
    )
    assert pairs_of(read_file(write(tmp_path, "a.xlsx", book))) == [
        ("a", "one\r\ntwo"), ("b", "_x0041_ 😀"), ("c", "TRUE"), ("d", "3"),
    ]  # fmt: skip


def test_formulas_without_a_value_and_failed_ones_are_named(tmp_path: Path) -> None:
    book = make_book([("prompt", "completion"), ("a", '=A2&"x"'), ("b", "#REF!"), ("c", "fine")])
    read = read_file(write(tmp_path, "a.xlsx", book))
    assert {code: list(rows) for code, rows in read.noted.items()} == {
        "formula_without_value": [0], "cell_error": [1],
    }  # fmt: skip
    assert pairs_of(read) == [("a", ""), ("b", ""), ("c", "fine")]


def test_nan_is_a_missing_value_and_no_word(tmp_path: Path) -> None:
    read = read_file(
        write(tmp_path, "a.jsonl", '{"prompt":"a ->","completion":NaN}\n{"prompt":NaN,"completion":"b"}\n')
    )
    assert list(read.noted["null_read_as_empty"]) == [0, 1]
    assert pairs_of(read) == [("a ->", ""), ("", "b")]


CHATS = [
    {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
    {"conversation": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
    {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "ho"}]}]},
    {"instruction": "hi", "input": "", "output": "ho", "history": []},
]


@pytest.mark.parametrize("row", CHATS)
def test_talks_of_other_tools_become_chats(row: dict[str, object], tmp_path: Path) -> None:
    read = read_file(write(tmp_path, "a.json", json.dumps([row, row])))
    assert read.is_chat
    assert "converted" in read.set_notes
    wanted = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]
    assert records_of(read) == [{"messages": wanted}] * 2


PAIRS = [
    {"instruction": "Sum up.", "input": "A tale.", "output": "Tale."},
    {"instruction": "Sum up.", "context": "A tale.", "response": "Tale.", "category": "x"},
    {"question": "Sum up.\n\nA tale.", "answer": "Tale."},
    {"attributes": {"a": "Sum up.\n\nA tale."}, "repeat": 0, "story": "Tale.", "model": "m"},
    {"data": {"text": "Sum up.\n\nA tale."}, "annotations": [{"result": [{"value": {"text": ["Tale."]}}]}]},
]


@pytest.mark.parametrize("row", PAIRS)
def test_pairs_of_other_tools_become_pairs(row: dict[str, object], tmp_path: Path) -> None:
    read = read_file(write(tmp_path, "a.jsonl", f"{json.dumps(row)}\n" * 2))
    assert "converted" in read.set_notes
    assert pairs_of(read) == [("Sum up.\n\nA tale.", "Tale.")] * 2


def test_tables_of_other_tools_become_pairs_and_chats(tmp_path: Path) -> None:
    alpaca = "instruction,input,output\nSum up.,A tale.,Tale.\nGreet.,,Hi.\n"
    assert pairs_of(read_file(write(tmp_path, "a.csv", alpaca))) == [("Sum up.\n\nA tale.", "Tale."), ("Greet.", "Hi.")]
    book = make_book([("question", "answer"), ("Why?", "So."), ("Who?", "I.")])
    assert pairs_of(read_file(write(tmp_path, "a.xlsx", book))) == [("Why?", "So."), ("Who?", "I.")]
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "it's"}]
    for number, cell in enumerate([json.dumps(talk), str(talk)]):
        out = io.StringIO()
        csv.writer(out).writerows([["messages"], [cell], [cell]])
        assert records_of(read_file(write(tmp_path, f"{number}.csv", out.getvalue()))) == [{"messages": talk}] * 2


def test_what_cannot_be_turned_over_is_named_by_line(tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}
    bad = {"conversations": [{"from": "narrator", "value": "hi"}]}
    read = read_file(write(tmp_path, "a.jsonl", f"{json.dumps(good)}\n{json.dumps(bad)}\n"))
    assert [(p.line, p.code, p.message) for p in read.problems] == [
        (2, "not_convertible", "turn 1 has the unknown speaker 'narrator'")
    ]


def test_thoughts_before_an_answer_are_found_and_can_be_cut(tmp_path: Path) -> None:
    texts = ["<think>hm</think>\nYes.", "so, no.\n</think>No.", "I like <think> tags.", "Plain."]
    lines = "".join(json.dumps({"prompt": f"{i} ->", "completion": t}) + "\n" for i, t in enumerate(texts))
    read = read_file(write(tmp_path, "a.jsonl", lines))
    found = next(f for f in inspect_file(read, "").findings if f.code == "reasoning_left")
    assert found.row_ids == (0, 1)
    assert [example.after for example in found.examples] == ["0 -> → Yes.", "1 -> → No."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, {"conversations": 3}),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, {"text": "a"}),
        ({"data": {"text": "a"}, "annotations": [{"result": [{"value": {"text": "b"}}]}]}, {"data": 1}),
        ({"system": "s", "messages": [{"role": "user", "content": "a"}]}, {"system": [], "messages": None}),
        ({"instruction": "a", "output": "b"}, {"instruction": []}),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}, {"contents": [None]}),
    ],
)
def test_a_wrong_type_names_its_line_and_is_no_traceback(
    first: dict[str, object], second: dict[str, object], tmp_path: Path
) -> None:
    read = read_file(write(tmp_path, "a.jsonl", f"{json.dumps(first)}\n{json.dumps(second)}\n"))
    assert [(problem.line, problem.code) for problem in read.problems] == [(2, "not_convertible")]
    read.store.close()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.xlsx"])
def test_a_damaged_archive_is_named(name: str, tmp_path: Path) -> None:
    whole = gzip.compress(GERMAN.encode() * 500) if name == "a.csv.gz" else make_book([("prompt", "completion")] * 500)
    at = len(whole) // 2
    with pytest.raises(UnreadableFileError):
        read_file(write(tmp_path, name, whole[:at] + bytes(64) + whole[at + 64 :])).store.close()
