"""Files that would keep the engine from its streams are read no further than allowed, and named with the setting."""

import json
from pathlib import Path

import pytest

from services.engine.training.row_bound import LINES_PER_EXAMPLE
from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import InvalidFileError, check_file

GOOD = b'{"prompt":"a","completion":"b"}\n'
STRICT = TrainingSettings(row_bytes=1024, row_nodes=100, maximum_examples=5)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            GOOD + json.dumps({"prompt": "a" * 5000, "completion": "b"}).encode() + b"\n" + GOOD,
            r"1 line .*line 2: it has more than 1024 bytes \(STORYMILL_ENGINE_TRAINING_ROW_BYTES\)",
        ),
        (
            b'{"messages":[' + b",".join([b"[]"] * 200) + b"]}\n",
            r"line 1: it has more than 100 lists, .*STORYMILL_ENGINE_TRAINING_ROW_NODES",
        ),
        (GOOD * 100, "more than the 5 examples allowed"),
        (b"\n" * 100 * LINES_PER_EXAMPLE + GOOD, "more than the 5 examples allowed"),
        (b"{\n" * 100, "at least 6 lines that cannot be used"),
    ],
    ids=["long", "nested", "many", "blank", "bad"],
)
def test_what_is_too_much_is_told_and_not_read(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match=told):
        check_file(path, "training_file", "supervised", STRICT)
