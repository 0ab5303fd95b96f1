"""The sheet for blind readers: what it shows and hides, and how answers are counted."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from services.engine.training.reading_sheet import QUESTIONS, main, read_key
from services.engine.training.tales.collection import tell_tales


def make_sheet(folder: Path) -> None:
    """Make a sheet of three tales, three odd stories and two written ones."""
    tales = list(tell_tales(3, seed=2))
    for name, texts in (("new", [tale.text for tale in tales]), ("old", ["怪兽来了。"] * 3)):
        lines = [{"cell": asdict(tale.cell), "text": text} for tale, text in zip(tales, texts, strict=True)]
        told = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        (folder / f"{name}.jsonl").write_text(told, encoding="utf-8")
    files = [f"{name}={folder / name}.jsonl" for name in ("new", "old")]
    main(["make", str(folder / "sheet"), "--stories", *files, "--written", "2", "--seed", "3"])


def answer(folder: Path, name: str, passing: set[str], *, last: str = "y") -> Path:
    """Fill in a table: all yes for the sources that pass, for the others no to the last question."""
    rows = [",".join(("number", *QUESTIONS))]
    for number, story in enumerate(read_key(folder / "sheet"), start=1):
        end = last if story.source in passing else "n"
        rows.append(",".join((str(number), *("y" for _ in list(QUESTIONS)[1:]), end)))
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / name


def test_the_sheet_shows_every_story_and_no_source(tmp_path: Path) -> None:
    make_sheet(tmp_path)
    sheet = (tmp_path / "sheet" / "sheet.md").read_text(encoding="utf-8")
    stories = read_key(tmp_path / "sheet")
    assert [story.source for story in stories].count("written") == 2
    assert all(story.text in sheet for story in stories)
    assert [f"## {number}\n" in sheet for number in range(1, 9)] == [True] * 8
    assert not any(word in sheet for word in ("new", "old", "written"))
    assert [story.source for story in stories] != sorted(story.source for story in stories)


def test_answers_are_counted_by_source_and_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_sheet(tmp_path)
    first = answer(tmp_path, "first.csv", {"new", "written"})
    second = answer(tmp_path, "second.csv", {"written"})
    main(["count", str(tmp_path / "sheet"), str(first), str(second)])
    found = json.loads(capsys.readouterr().out)
    assert {name: found["new"][name] for name in ("stories", "first", "second", "program")} == {
        "stories": 3,
        "first": 3,
        "second": 0,
        "program": 3,
    }
    assert (found["old"]["first"], found["old"]["program"]) == (0, 0)
    assert (found["written"]["first"], found["written"]["second"]) == (2, 2)
    assert found["old"]["yes"]["one_hero"] == {"first": 3, "second": 3}
    assert found["old"]["yes"]["sense"] == {"first": 0, "second": 0}


def test_an_answer_left_empty_is_named(tmp_path: Path) -> None:
    make_sheet(tmp_path)
    with pytest.raises(ValueError, match="story 1 has no y or n for one_hero"):
        main(["count", str(tmp_path / "sheet"), str(tmp_path / "sheet" / "answers.csv")])
    short = answer(tmp_path, "short.csv", {"new"})
    short.write_text("\n".join(short.read_text(encoding="utf-8").splitlines()[:-1]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no answers for \[8\]"):
        main(["count", str(tmp_path / "sheet"), str(short)])
