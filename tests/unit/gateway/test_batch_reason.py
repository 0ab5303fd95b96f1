"""Why a batch stands still, as a header holds it."""

from services.gateway.batches.service import STATUS_HEADER, find_reason
from shared.stores.db.models import Batch, Generation


def test_a_reason_of_any_characters_is_one_line() -> None:
    run = Generation(status="paused", status_reason="no\rbudget\r\n\x00\x1b left\t批\x7f")
    assert find_reason(Batch(status="in_progress"), run) == {STATUS_HEADER: "no budget left \\u6279"}
