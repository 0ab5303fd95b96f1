"""The conversation where answers differ from the default, and where the public tool has bugs."""

import csv
import gc
import io
import json
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd

from services.preparation.conversation.dialogue import Streams, prepare_like_the_public_tool
from services.preparation.conversation.pandas_reading import read_with_pandas


def _write(path: Path, rows: list[tuple[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("prompt", "completion"), *rows])
    return str(path)


def _talk(path: str, refuse: str = "never") -> tuple[int, str]:
    output = io.StringIO()

    def answer(question: str) -> bool:
        output.write(f"{question}\n")
        return refuse not in question

    return prepare_like_the_public_tool(path, Streams(output, io.StringIO(), answer)), output.getvalue()


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


ROWS = [(f"提示{i}号{'甲乙丙'[i % 3]}", f"故事{i}{'完终了'[i % 3]}") for i in range(12)]


def test_a_refused_fix_is_left_out(tmp_path: Path) -> None:
    status, _ = _talk(_write(tmp_path / "a.csv", ROWS), refuse="suffix separator")
    rows = _read(tmp_path / "a_prepared.jsonl")
    assert status == 0
    assert rows[0]["prompt"] == ROWS[0][0]
    assert rows[0]["completion"].endswith("\n")


def test_refusing_to_proceed_writes_nothing(tmp_path: Path) -> None:
    status, output = _talk(_write(tmp_path / "a.csv", ROWS), refuse="Proceed")
    assert status == 0
    assert "Aborting... did not write the file" in output
    assert not list(tmp_path.glob("*_prepared*"))


def test_a_second_run_never_overwrites(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", ROWS)
    _talk(path)
    _talk(path)
    assert sorted(p.name for p in tmp_path.glob("*_prepared*")) == ["a_prepared (1).jsonl", "a_prepared.jsonl"]


def test_a_fixed_file_needs_nothing(tmp_path: Path) -> None:
    _talk(_write(tmp_path / "a.csv", ROWS))
    status, output = _talk(str(tmp_path / "a_prepared.jsonl"))
    assert status == 0
    assert "No remediations found" in output
    assert "You can use your file for fine-tuning" in output


def test_the_long_row_goes_even_when_rows_before_it_went(tmp_path: Path) -> None:
    """The public tool drops another row, or stops with a KeyError."""
    long_row = ("长", "长" * 10_001 + "尾")
    rows = [("空", ""), *ROWS[:6], ROWS[0], long_row, *ROWS[6:]]
    status, output = _talk(_write(tmp_path / "a.csv", rows))
    prepared = _read(tmp_path / "a_prepared.jsonl")
    assert status == 0
    assert "are now at the following indices: [6]" in output
    assert [row["prompt"] for row in prepared] == [f"{prompt} ->" for prompt, _ in ROWS]


def test_plain_files_are_prepared_without_loading_what_takes_long_to_load(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,completion\na,b\nc,d\n")
    program = (
        "import io, sys; from services.preparation.conversation.dialogue import *;"
        "prepare_like_the_public_tool(sys.argv[1], Streams(io.StringIO(), sys.stderr, lambda _: True));"
        "print({'pandas', 'pyarrow', 'bpe_openai', 'jinja2', 'sqlalchemy', 'pydantic'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.csv")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_workbook_is_closed_after_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "stories.xlsx"
    pd.DataFrame({"prompt": ["a", "b"], "completion": ["c", "d"]}).to_excel(path, index=False)
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = read_with_pandas(str(path), ".xlsx")
        gc.collect()
    assert table.columns == ["prompt", "completion"]
    assert [str(one.message) for one in told if one.category is ResourceWarning] == []
