"""Every client's fold, in whatever language, must pass these vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.stream import fold as shared_fold
from shared.contracts.stream.fold import Fold
from storymill import fold as client_fold

DOCUMENT = json.loads((Path(__file__).parent / "vectors.json").read_text())


@pytest.mark.parametrize("vector", DOCUMENT["vectors"], ids=lambda vector: vector["name"])
def test_the_fold_passes_every_vector(vector: dict[str, Any]) -> None:
    fold = Fold(DOCUMENT["stream"])
    for frame in vector["frames"]:
        fold.apply(frame)
    assert {name: getattr(fold, name) for name in vector["expect"]} == vector["expect"]


def test_the_fold_of_the_command_line_is_the_same_file() -> None:
    assert shared_fold.__file__
    assert client_fold.__file__
    assert Path(client_fold.__file__).read_bytes() == Path(shared_fold.__file__).read_bytes()


def test_after_a_reconnect_without_subd_a_snapshot_is_welcome() -> None:
    fold = Fold("str_1")
    fold.apply({"t": "d", "stream": "str_1", "c0": "1-1", "c": "1-9", "o": 0, "x": "nonsense"})
    fold.reconnected()
    fold.apply({"t": "n", "stream": "str_1", "c": "1-2", "text": "ab"})
    assert (fold.text, fold.cursor) == ("ab", "1-2")
