"""JSON in every shape that tools write it in: one array, a wrapper, indented and concatenated objects."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.test_awkward_files import pairs_of, write

ROWS = [{"prompt": f"a{i} ->", "completion": f" b\n\u2028{i}é"} for i in range(3)]
PAIRS = [(row["prompt"], row["completion"]) for row in ROWS]
LINES = [json.dumps(row) for row in ROWS]
INDENTED = [json.dumps(row, indent=2) for row in ROWS]
SHAPES = {
    "array": json.dumps(ROWS),
    "indented array": json.dumps(ROWS, indent=4),
    "wrapper": json.dumps({"data": ROWS}),
    "wrapper behind facts": json.dumps({"version": "1.0", "count": 3, "data": ROWS, "more": {"a": [1]}}, indent=1),
    "rows": json.dumps({"rows": ROWS}),
    "lines": "\n".join(LINES),
    "old Mac line ends": "\r".join(LINES),
    "indented objects": "\n".join(INDENTED),
    "indented objects with commas": ",\n".join(INDENTED),
    "on one line": "".join(LINES),
    "on one line with blanks": "  ".join(LINES),
    "two arrays": json.dumps(ROWS[:1]) + "\n" + json.dumps(ROWS[1:]),
    "a comma at the end": json.dumps(ROWS)[:-1] + ",]",
    "a mark": "\ufeff" + json.dumps({"data": ROWS}),
}


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(shape: str, name: str, tmp_path: Path) -> None:
    read = read_file(write(tmp_path, name, SHAPES[shape]))
    assert read.problems == []
    assert pairs_of(read) == PAIRS


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('[{"prompt":"a","completion":"b"},\n {"prompt" "c"}]', 2, 12),
        ('[{"prompt":"a","completion":"b"}', 1, 33),
        ('{"data":[{"prompt":"a","completion":"b"}\n', 2, 1),
        ('{"data":[{"prompt":"a","completion":"b"}]\n', 1, 42),
        ('{\n"prompt":"a",\n"completion":"b"\n}\n{\n"prompt":"a",,\n}', 6, 14),
        ('[{\n"prompt":"a",\n"completion":"b",\n}]\n', 4, 1),
        ('[{"prompt":"a","completion":"b"},\n{"prompt":"a","completion":' + "1" * 5_000 + "}]", 2, 1),
        ('[{"prompt":"a","completion":"b"},\n' + "[" * 100_000, 2, 1),
    ],
)
def test_what_is_no_json_is_named_by_line_and_column(content: str, line: int, column: int, tmp_path: Path) -> None:
    read = read_file(write(tmp_path, "a.json", content))
    assert [(p.code, p.line, p.column) for p in read.problems] == [("invalid_json", line, column)]
    read.store.close()


def test_values_longer_than_a_piece_of_the_file_are_read_whole(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}", "completion": "长\\" * (400_000 * i)} for i in range(1, 4)]
    for indent in (None, 1):
        read = read_file(write(tmp_path, "a.json", json.dumps(rows, indent=indent, ensure_ascii=False)))
        assert pairs_of(read) == [(row["prompt"], row["completion"]) for row in rows]


def test_a_comma_before_the_end_of_an_object_is_named(tmp_path: Path) -> None:
    content = '{"prompt":"a","completion":"b"}\n{"prompt":"c","completion":"d",}\n{"prompt":"e","completion":["f",]}\n'
    read = read_file(write(tmp_path, "a.jsonl", content))
    assert [p.line for p in read.problems] == [2, 3]
    assert all("a comma stands before the end" in p.message for p in read.problems)
    read.store.close()


def test_a_text_beside_an_answer_is_not_what_is_learned(tmp_path: Path) -> None:
    """Label Studio's JSON-MIN (https://labelstud.io/guide/export): the question was trained, the answer left out."""
    content = json.dumps([{"id": 1, "text": "How many?", "answer": "Two.", "annotator": 1}])
    path = write(tmp_path, "a.json", content)
    read = read_file(path)
    assert read.columns == ["id", "text", "answer", "annotator"]
    assert "converted" not in read.set_notes
    read.store.close()
    assert pairs_of(read_file(path, ReadingChoices(prompt_field="text", completion_field="answer"))) == [
        ("How many?", "Two.")
    ]


def test_values_that_json_has_not_are_read_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "prompt": pa.array([b"a tale", b"\xff"], pa.binary()),
            "completion": pa.array([Decimal("1.50"), Decimal(7)], pa.decimal128(5, 2)),
            "day": [date(2024, 5, 1), None],
            "blob": [{"bytes": b"x"}, {"bytes": b"\x00\xfe"}],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    read = read_file(tmp_path / "a.parquet")
    with read.store as store:
        (batch,) = store.batches()
    assert (batch.prompts, batch.completions) == (["a tale", "�"], ["1.50", "7.00"])
    assert batch.extras == {"day": ["2024-05-01", ""], "blob": ['{"bytes":"x"}', '{"bytes":"��"}']}


def test_what_only_python_can_say_in_a_cell_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    talk = "[{'role': 'user', 'content': 'a', 'seen': {1, 2}}, {'role': 'assistant', 'content': b'b', ('k', 1): 2}]"
    path.write_text(json.dumps({"messages": talk}) + "\n")
    read = read_file(path)
    with read.store as store:
        assert [batch.prompts for batch in store.batches()] == [["a"]]
