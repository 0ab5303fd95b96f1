"""What is left over in texts is told with its count, an example, and what mends it."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.preparation.findings.inspection import inspect_file
from services.preparation.reading.read_file import read_file
from tests.unit.preparation.clean_sets import clean_sets
from tests.unit.preparation.test_awkward_files import make_book, write

CLEAN = clean_sets()["english_with_markers"]
# What stands in two completions, what an example says of it, and what the mend makes of it (None: the row goes).
LEFT_OVER = {
    "reasoning_left": ("<think>hm, a story</think>\nHe came. END", "<think>", "He came. END"),
    "escape_left": ("He_x000D_ came \\u00e9. END", "_x000D_", "é. END"),
    "markup": ("<p>He&nbsp;came.</p> END", "&nbsp;", "He came"),
    "invisible_character": ("He\u200b came. END", "\\u200b", "He came. END"),
    "mojibake": ("He came fÃ¼r dich. END", "fÃ¼r", "für"),
    "refusal": ("As an AI language model, I cannot write that. END", "As an AI", None),
}


def tell(path: Path, code: str) -> dict[str, Any]:
    """Return a finding as the report has it."""
    read = read_file(path)
    with read.store:
        found = next(finding for finding in inspect_file(read, "").findings if finding.code == code)
    return found.to_json()


@pytest.mark.parametrize("code", LEFT_OVER)
def test_what_is_left_over_is_told_with_count_example_and_mend(code: str, tmp_path: Path) -> None:
    text, excerpt, mended = LEFT_OVER[code]
    rows = [*CLEAN[:20], (f"{CLEAN[20][0]}", text), *CLEAN[21:30], (f"{CLEAN[30][0]}", f"{text[:-4]}. END")]
    lines = [json.dumps({"prompt": prompt, "completion": completion}) + "\n" for prompt, completion in rows]
    told = tell(write(tmp_path, "a.jsonl", "".join(lines)), code)
    assert (told["count"], told["row_ids"]) == (2, [20, 30])
    assert excerpt in told["examples"][0]["excerpt"]
    assert told["fix"] == ("drop_rows" if mended is None else "repair_text")
    assert mended is None or mended in told["examples"][0]["after"].replace("\\xa0", " ")
    assert told["reason"]


def test_a_guessed_encoding_is_told_with_count_example_and_mend(tmp_path: Path) -> None:
    text = "prompt,completion\n" + "plain,one\n" * 5 + "Hallo ->,schön für dich über möchte\n" * 3
    told = tell(write(tmp_path, "a.csv", text.encode("cp1252")), "encoding_guessed")
    assert (told["count"], told["row_ids"]) == (3, [5, 6, 7])
    assert told["examples"][0]["excerpt"] == "Hallo -> → schön für dich über möchte"
    assert "`encoding` names another" in told["reason"]
    assert "read as cp1252: " in told["reason"]


def test_a_formula_without_value_is_told_with_count_example_and_mend(tmp_path: Path) -> None:
    book = make_book([("prompt", "completion"), ("a", "b"), ("c", '=A2&"x"'), ("d", '=A3&"y"')])
    told = tell(write(tmp_path, "a.xlsx", book), "formula_without_value")
    assert (told["count"], told["row_ids"], told["fix"]) == (2, [1, 2], "drop_rows")
    assert told["examples"][0]["excerpt"].startswith("c")
