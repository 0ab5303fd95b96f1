"""A file with too few or too many examples is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import InvalidFileError, check_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stories.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": "a", "completion": str(number)}) for number in range(3)))
    return path


def test_the_fewest_and_the_most_examples_are_settings(file: Path) -> None:
    settings = TrainingSettings(minimum_examples=3, maximum_examples=3)
    assert len(check_file(file, "training_file", "supervised", settings).examples) == 3
    with pytest.raises(InvalidFileError, match="has 3 examples, fewer than the 4 needed"):
        check_file(file, "training_file", "supervised", TrainingSettings(minimum_examples=4))
    with pytest.raises(InvalidFileError, match="has more than the 2 examples allowed"):
        check_file(file, "training_file", "supervised", TrainingSettings(maximum_examples=2))


def test_one_example_is_enough_to_validate_with(file: Path) -> None:
    settings = TrainingSettings(minimum_examples=10)
    assert check_file(file, "validation_file", "supervised", settings).format == "completion"


def test_a_method_takes_only_its_own_format(file: Path) -> None:
    with pytest.raises(InvalidFileError, match="method 'dpo' needs preference examples") as caught:
        check_file(file, "training_file", "dpo", TrainingSettings())
    assert caught.value.code == "invalid_training_file"
