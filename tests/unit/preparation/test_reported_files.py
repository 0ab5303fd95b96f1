"""Files that people could not get into other tools, from public reports: one a line, with source and right rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.preparation.reading.choices import ReadingChoices
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.test_awkward_files import pairs_of, records_of, write

LINES = (Path(__file__).parent / "reported_files.jsonl").read_text(encoding="utf-8").splitlines()
REPORTED: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("case", REPORTED, ids=lambda case: case["source"].split("//")[1])
def test_a_reported_file_is_read_right_or_refused_with_its_line(case: dict[str, Any], tmp_path: Path) -> None:
    content = case["text"].encode(case.get("encoding", "utf-8"))
    read = read_file(write(tmp_path, case["name"], content), ReadingChoices(**case.get("choices", {})))
    told = [*read.set_notes, *read.noted]
    assert sorted(told) == sorted(case.get("notes", [])) or "problem" in case
    if "problem" in case:
        line, reason = case["problem"]
        assert read.problems[0].line == line
        assert reason in read.problems[0].message
        read.store.close()
    elif "chat" in case:
        assert [record["messages"] for record in records_of(read)] == case["chat"]
    else:
        assert pairs_of(read) == [tuple(row) for row in case["rows"]]
