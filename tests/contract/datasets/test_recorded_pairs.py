"""Recorded input and output pairs of the public tool, byte for byte."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.preparation.conversation.dialogue import Streams, prepare_like_the_public_tool

FOLDER = Path(__file__).parents[2] / "fixtures" / "prepare_data"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_recorded_pair_comes_out_byte_for_byte(case: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / case["input"]
    shutil.copy(FOLDER / case["name"] / case["input"], source)
    output = io.StringIO()
    status = prepare_like_the_public_tool(str(source), Streams(output, io.StringIO(), lambda question: True))
    assert status == case["rc"]
    assert sorted(path.name for path in tmp_path.glob("*_prepared*")) == sorted(case["outputs"])
    for name in case["outputs"]:
        assert (tmp_path / name).read_bytes() == (FOLDER / case["name"] / name).read_bytes()
    if case["separator"]:
        assert f"indicator string `{case['separator']}`" in output.getvalue()
    if case["stop"]:
        assert f'stop=["{case["stop"]}"]' in output.getvalue()
