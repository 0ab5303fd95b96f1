"""When a failed call is made again."""

import pytest

from services.workers.generation.retry_policy import RULES, find_wait
from shared.outside.providers.failures import RETRYABLE, FailureClass


def test_exactly_the_retryable_classes_have_a_rule() -> None:
    assert set(RULES) == RETRYABLE | {FailureClass.AUTHENTICATION}


@pytest.mark.parametrize("failure_class", sorted(RULES))
def test_a_class_gives_up_after_its_retries(failure_class: FailureClass) -> None:
    retries = RULES[failure_class].retries
    assert find_wait(failure_class, retries, None) is not None
    assert find_wait(failure_class, retries + 1, None) is None


def test_what_the_provider_asked_for_is_the_floor() -> None:
    waits = [find_wait(FailureClass.RATE_LIMITED, 3, 7.0) for _ in range(200)]
    assert all(wait is not None and 7.0 <= wait <= 7.0 + 2.0 for wait in waits)
    assert len(set(waits)) > 100


def test_waits_grow_and_are_bounded() -> None:
    longest = max(find_wait(FailureClass.SERVER_ERROR, 8, None) or 0 for _ in range(500))
    assert 5 < longest <= RULES[FailureClass.SERVER_ERROR].longest_wait_seconds


def test_a_refused_request_is_not_made_again() -> None:
    assert find_wait(FailureClass.INVALID_REQUEST, 1, None) is None
