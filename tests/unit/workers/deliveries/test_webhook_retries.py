"""When a webhook is sent again."""

import pytest

from services.workers.deliveries.webhook_retries import LONGEST_AGE_SECONDS, is_delivered, plan_retry


def test_waits_grow_and_end_after_a_day() -> None:
    age, waits = 0.0, []
    while (wait := plan_retry(len(waits) + 1, age)) is not None:
        waits.append(wait)
        age += wait
    assert waits[0] < 6
    assert waits[:7] == sorted(waits[:7])
    assert 8 <= len(waits) <= 14
    assert LONGEST_AGE_SECONDS * 0.7 < age <= LONGEST_AGE_SECONDS


def test_a_target_may_ask_for_more_time_but_not_for_days() -> None:
    assert 300 <= (plan_retry(1, 0, 300) or 0) <= 330
    assert 3600 <= (plan_retry(1, 0, 1_000_000) or 0) <= 3960


@pytest.mark.parametrize(("status", "delivered"), [(200, True), (204, True), (302, False), (404, False), (500, False)])
def test_only_a_good_status_means_delivered(status: int, delivered: bool) -> None:
    assert is_delivered(status) is delivered
