"""Which columns of a table are learned: as they are named, as a person says, or as an export has them."""

import json
from pathlib import Path

import pytest

from storymill.cli.column_choice import choose_columns, write_chosen
from storymill.client.errors import ClientError

EXPORT = 'dynasty,power,story\n唐,隐形,"从前，\n有一位英雄。"\n宋,飞行,后来。\n'


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_an_exported_run_is_understood(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "stories.csv", EXPORT, encoding)
    chosen = choose_columns(path, None, None)
    assert chosen == (["dynasty", "power"], "story")
    assert write_chosen(path, *chosen, tmp_path / "rows.jsonl") == 2
    assert read_lines(tmp_path / "rows.jsonl") == [
        {"prompt": "唐,隐形", "completion": "从前，\n有一位英雄。"},
        {"prompt": "宋,飞行", "completion": "后来。"},
    ]


def test_an_export_as_json_lines_is_understood(tmp_path: Path) -> None:
    story = {"attributes": {"dynasty": "唐", "power": "隐形"}, "repeat": 0, "story": "从前。", "finish_reason": "stop"}
    path = write(tmp_path, "stories.jsonl", json.dumps(story) + "\n")
    chosen = choose_columns(path, None, None)
    assert chosen == (["dynasty", "power"], "story")
    write_chosen(path, *chosen, tmp_path / "rows.jsonl")
    (row,) = read_lines(tmp_path / "rows.jsonl")
    assert (row["prompt"], row["completion"], row["finish_reason"]) == ("唐,隐形", "从前。", "stop")


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "id\tquestion\tanswer\n1\tq\ta\n")
    assert choose_columns(path, "question", "answer") == (["question"], "answer")
    assert choose_columns(path, "id, question", "answer") == (["id", "question"], "answer")
    write_chosen(path, ["question"], "answer", tmp_path / "rows.jsonl")
    assert read_lines(tmp_path / "rows.jsonl") == [{"prompt": "q", "completion": "a", "id": "1"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "prompt,completion\na,b\n"),
        ("a.csv", "Prompt,story\na,b\n"),
        ("a.jsonl", '{"messages": [], "story": "x"}\n'),
        ("a.jsonl", "no json\n"),
        ("a.csv", ""),
        ("a.txt", "story\n"),
    ],
)
def test_a_file_that_names_its_columns_is_read_as_it_is(tmp_path: Path, name: str, text: str) -> None:
    assert choose_columns(write(tmp_path, name, text), None, None) is None


def test_a_column_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path, "stories.csv", EXPORT)
    with pytest.raises(ClientError, match="no column text; there are: dynasty, power, story"):
        choose_columns(path, "dynasty", "text")
    with pytest.raises(ClientError, match=r"\.csv, \.tsv, \.jsonl"):
        choose_columns(write(tmp_path, "a.txt", "x"), "a", "b")


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"q": "1", "a": "2"}\n{oops\n')
    with pytest.raises(ClientError, match="row 2 cannot be read"):
        write_chosen(path, ["q"], "a", tmp_path / "rows.jsonl")
