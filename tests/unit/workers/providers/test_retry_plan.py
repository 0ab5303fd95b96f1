"""When an interactive call is made again."""

import pytest

from services.workers.providers.retry_plan import MAX_CALLS, WAITED_OUT, RetryPlan
from shared.outside.providers.failures import FailureClass, LlmError


def fail(failure_class: FailureClass, retry_after_seconds: float | None = None) -> LlmError:
    return LlmError(failure_class, "no", retry_after_seconds=retry_after_seconds)


@pytest.mark.parametrize("failure_class", [c for c in FailureClass if not c.retryable])
def test_what_waiting_does_not_cure_is_not_tried_again(failure_class: FailureClass) -> None:
    assert RetryPlan(60).next_wait(fail(failure_class)) is None


@pytest.mark.parametrize("failure_class", [c for c in FailureClass if c.retryable and c not in WAITED_OUT])
def test_what_may_pass_is_tried_a_few_times(failure_class: FailureClass) -> None:
    plan = RetryPlan(60)
    waits = [plan.next_wait(fail(failure_class)) for _ in range(MAX_CALLS)]
    assert None not in waits[:-1]
    assert waits[-1] is None


@pytest.mark.parametrize("failure_class", sorted(WAITED_OUT))
def test_a_provider_that_restarts_is_sat_out(failure_class: FailureClass) -> None:
    plan = RetryPlan(1000)
    assert None not in [plan.next_wait(fail(failure_class)) for _ in range(5 * MAX_CALLS)]


def test_the_providers_wait_is_a_floor() -> None:
    waits = [RetryPlan(60).next_wait(fail(FailureClass.RATE_LIMITED, 3.0)) for _ in range(50)]
    assert all(wait is not None and 3.0 <= wait <= 3.25 for wait in waits)
    assert len(set(waits)) > 1


def test_nobody_waits_beyond_their_patience() -> None:
    assert RetryPlan(2).next_wait(fail(FailureClass.RATE_LIMITED, 3.0)) is None
