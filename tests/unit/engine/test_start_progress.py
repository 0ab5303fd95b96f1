"""What `/readyz` says of a start that takes minutes."""

import pytest

from services.engine.routes.operations import find_progress


@pytest.mark.parametrize(
    ("stage", "progress"),
    [("1/4 joining and checking the weights", 0.0), ("3/4 dequantising the weights", 0.5), ("loading the model", None)],
)
def test_counted_stages_tell_a_share_and_others_none(stage: str, progress: float | None) -> None:
    assert find_progress(stage) == progress
