"""The result file."""

from services.engine.training.result_table import write_result_table

STEP = {
    "step": 1,
    "elapsed_tokens": 625,
    "elapsed_examples": 1,
    "training_loss": 0.88,
    "training_sequence_accuracy": 0.0,
    "training_token_accuracy": 0.75,
    "learning_rate": 1e-4,
}
HEADER = "step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy"


def test_the_columns_are_those_of_the_legacy_tool() -> None:
    assert write_result_table([STEP]).decode() == f"{HEADER}\n1,625,1,0.88,0.0,0.75\n"


def test_validation_columns_are_empty_where_not_measured() -> None:
    before = {"step": 0, "validation_loss": 4.0, "validation_token_accuracy": 0.1}
    last = {**STEP, "step": 2, "validation_loss": 3.5, "validation_token_accuracy": 0.5}
    lines = write_result_table([before, STEP, last]).decode().splitlines()
    assert lines[0] == f"{HEADER},validation_loss,validation_token_accuracy"
    assert lines[1].endswith(",0.75,,")
    assert lines[2].endswith(",0.75,3.5,0.5")
    assert len(lines) == 3
