"""What a provider's answers say of the provider, call by call."""

import pytest

from services.workers.providers.verdict import (
    DOWN_AFTER,
    KEY_REFUSED_AFTER,
    REFUSALS_WITHOUT_DELAY,
    Standing,
    Verdict,
    VerdictFinder,
)
from shared.outside.providers.failures import FailureClass, LlmError

NOW = 1_000_000.0
UNAVAILABLE = LlmError(FailureClass.SERVER_ERROR, "busy", status=503)
BROKEN = LlmError(FailureClass.SERVER_ERROR, "oops", status=500)
UNREACHABLE = LlmError(FailureClass.UNREACHABLE, "refused")
NO_CREDIT = LlmError(FailureClass.QUOTA_EXHAUSTED, "Insufficient Balance", status=402)
BAD_KEY = LlmError(FailureClass.AUTHENTICATION, "no such key", status=401)
INVALID = LlmError(FailureClass.INVALID_REQUEST, "no", status=400)


def too_fast(seconds: float | None) -> LlmError:
    return LlmError(FailureClass.RATE_LIMITED, "slow down", status=429, retry_after_seconds=seconds)


def fail(judge: VerdictFinder, error: LlmError, times: int = 1, *, rows: int = 1000, begun_at: float = NOW) -> Verdict:
    for number in range(times):
        judge.hear_failure(error, f"row {number % rows}", begun_at, NOW)
    return judge.standing.verdict


@pytest.mark.parametrize("error", [UNAVAILABLE, UNREACHABLE, LlmError(FailureClass.CUT_CONNECTION, "reset")])
def test_failures_in_a_row_mean_that_the_provider_is_down(error: LlmError) -> None:
    judge = VerdictFinder()
    assert fail(judge, error, DOWN_AFTER - 1) is Verdict.WELL
    assert fail(judge, error) is Verdict.DOWN
    assert judge.standing.message == error.message


def test_a_success_between_failures_starts_the_count_again() -> None:
    judge = VerdictFinder()
    for _ in range(4):
        fail(judge, UNAVAILABLE, DOWN_AFTER - 1)
        judge.hear_success(NOW, NOW)
    assert judge.standing.verdict is Verdict.WELL


def test_one_row_that_breaks_the_server_does_not_put_it_down() -> None:
    judge = VerdictFinder()
    assert fail(judge, BROKEN, 20, rows=1) is Verdict.WELL
    assert judge.explains(BROKEN) is None
    assert fail(judge, BROKEN, 20, rows=3) is Verdict.DOWN


def test_what_a_gateway_says_of_the_server_behind_is_no_rows_doing() -> None:
    assert fail(VerdictFinder(), UNAVAILABLE, DOWN_AFTER, rows=1) is Verdict.DOWN


def test_only_a_call_that_began_after_the_verdict_lifts_it() -> None:
    judge = VerdictFinder()
    fail(judge, UNAVAILABLE, DOWN_AFTER)
    judge.hear_success(NOW - 30, NOW + 1)
    assert judge.standing.verdict is Verdict.DOWN
    judge.hear_success(NOW + 1, NOW + 2)
    assert judge.standing == Standing(Verdict.WELL, NOW + 2, NOW + 2)


def test_a_late_echo_of_an_outage_says_nothing_when_it_is_over() -> None:
    judge = VerdictFinder()
    fail(judge, UNAVAILABLE, DOWN_AFTER)
    judge.hear_success(NOW + 1, NOW + 2)
    assert fail(judge, UNAVAILABLE, 50, begun_at=NOW - 30) is Verdict.WELL


def test_a_refusal_of_what_was_asked_shows_that_the_provider_is_there() -> None:
    judge = VerdictFinder()
    fail(judge, UNAVAILABLE, DOWN_AFTER)
    assert fail(judge, INVALID, begun_at=NOW + 1) is Verdict.WELL


def test_an_empty_account_is_known_at_once_and_only_a_success_ends_it() -> None:
    judge = VerdictFinder()
    assert fail(judge, NO_CREDIT) is Verdict.NO_CREDIT
    assert fail(judge, INVALID, begun_at=NOW + 1) is Verdict.NO_CREDIT
    judge.hear_success(NOW + 1, NOW + 2)
    assert judge.standing.verdict is Verdict.WELL


def test_a_key_is_refused_when_several_calls_in_a_row_say_so() -> None:
    judge = VerdictFinder()
    assert fail(judge, BAD_KEY, KEY_REFUSED_AFTER - 1) is Verdict.WELL
    assert fail(judge, BAD_KEY) is Verdict.KEY_REFUSED


def test_a_delay_that_a_provider_names_is_a_silence_until_then() -> None:
    judge = VerdictFinder()
    assert fail(judge, too_fast(4980)) is Verdict.SILENT
    assert judge.standing.waits_seconds(NOW + 80) == 4900
    fail(judge, too_fast(20))
    assert judge.standing.waits_seconds(NOW) == 4980
    assert judge.standing.waits_seconds(NOW + 5000) == 0


def test_no_delay_at_all_time_after_time_is_a_silence_of_our_own() -> None:
    assert fail(VerdictFinder(), too_fast(0.0), REFUSALS_WITHOUT_DELAY - 1) is Verdict.WELL
    assert fail(VerdictFinder(), too_fast(0.0), REFUSALS_WITHOUT_DELAY) is Verdict.SILENT


def test_a_short_delay_is_no_matter_of_the_cluster() -> None:
    assert fail(VerdictFinder(), too_fast(0.05), 50) is Verdict.WELL


def test_refusals_without_a_delay_get_one_that_grows() -> None:
    judge = VerdictFinder()
    assert fail(judge, too_fast(None), REFUSALS_WITHOUT_DELAY - 1) is Verdict.WELL
    waits = []
    for _ in range(6):
        assert fail(judge, too_fast(None)) is Verdict.SILENT
        waits.append(judge.standing.waits_seconds(NOW))
    assert waits == [1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(
    ("verdict_by", "times", "error", "excuse"),
    [
        (UNAVAILABLE, DOWN_AFTER, BROKEN, "provider_down"),
        (too_fast(60), 1, too_fast(None), "provider_silent"),
        (NO_CREDIT, 1, NO_CREDIT, "quota_exhausted"),
        (BAD_KEY, KEY_REFUSED_AFTER, BAD_KEY, "key_refused"),
        (UNAVAILABLE, DOWN_AFTER, INVALID, None),
        (NO_CREDIT, 1, BROKEN, None),
    ],
)
def test_a_verdict_excuses_the_failures_that_it_explains(
    verdict_by: LlmError, times: int, error: LlmError, excuse: str | None
) -> None:
    judge = VerdictFinder()
    fail(judge, verdict_by, times)
    assert judge.explains(error) == excuse


def test_what_another_process_found_is_taken_over_and_newer_than_what_stood() -> None:
    judge = VerdictFinder()
    ahead = NOW + 3600  # the other machine's clock
    judge.adopt(Standing(Verdict.DOWN, NOW, ahead))
    judge.hear_success(NOW + 1, NOW + 1)
    assert judge.standing.verdict is Verdict.WELL
    assert judge.standing.changed_at > ahead


def test_an_account_without_credit_whose_key_is_refused_then_is_told_as_such_at_once() -> None:
    judge = VerdictFinder()
    assert fail(judge, NO_CREDIT) is Verdict.NO_CREDIT
    assert fail(judge, BAD_KEY) is Verdict.KEY_REFUSED
    assert fail(judge, NO_CREDIT) is Verdict.NO_CREDIT
