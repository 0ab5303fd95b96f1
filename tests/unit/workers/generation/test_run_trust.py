"""How many calls a run may have under way, and when its recipe is taken to be refused."""

import pytest

from services.workers.generation.run_trust import MOST_REFUSALS, SAME_REFUSALS, WARM_WINDOW, RunTrust
from shared.outside.providers.failures import FailureClass, LlmError


def refusal(status: int = 400, code: str | None = None, message: str = "max_tokens is too large") -> LlmError:
    kind = FailureClass.NOT_FOUND if status == 404 else FailureClass.INVALID_REQUEST
    return LlmError(kind, message, status=status, code=code)


def test_the_first_call_goes_alone_and_each_success_doubles() -> None:
    trust = RunTrust(is_proven=False)
    windows = [trust.window]
    for _ in range(4):
        trust.take_success()
        windows.append(trust.window)
    assert windows == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_same_refusal_without_a_success_is_the_recipes_and_excuses_its_rows(status: int) -> None:
    trust = RunTrust(is_proven=False)
    for _ in range(SAME_REFUSALS):
        assert not trust.recipe_is_refused
        assert trust.take_failure(refusal(status)) == "recipe_refused"
    assert trust.recipe_is_refused


def test_many_different_refusals_are_the_recipes_too() -> None:
    trust = RunTrust(is_proven=False)
    for number in range(MOST_REFUSALS):
        assert not trust.recipe_is_refused
        trust.take_failure(refusal(code=f"code {number}"))
    assert trust.recipe_is_refused


def test_a_success_shows_that_a_refusal_is_its_rows_own() -> None:
    trust = RunTrust(is_proven=False)
    trust.take_failure(refusal())
    trust.take_success()
    assert [trust.take_failure(refusal()) for _ in range(10)] == [None] * 10
    assert not trust.recipe_is_refused


@pytest.mark.parametrize(
    "error",
    [
        refusal(code="context_length_exceeded"),
        refusal(message="This model's maximum context length is 4096 tokens"),
        refusal(413),
        LlmError(FailureClass.CONTENT_FILTER, "filtered", status=400),
        LlmError(FailureClass.SERVER_ERROR, "oops", status=500),
    ],
)
def test_what_one_prompt_caused_is_never_the_recipes(error: LlmError) -> None:
    trust = RunTrust(is_proven=False)
    assert [trust.take_failure(error) for _ in range(20)] == [None] * 20
    assert not trust.recipe_is_refused


def test_a_refused_key_fails_no_row_of_a_run_that_has_no_success_yet() -> None:
    error = LlmError(FailureClass.AUTHENTICATION, "no", status=401)
    assert RunTrust(is_proven=False).take_failure(error) == "key_refused"
    assert RunTrust(is_proven=True).take_failure(error) is None


def test_a_provider_that_has_just_answered_others_is_asked_by_a_handful_at_once_until_it_refuses() -> None:
    trust = RunTrust(is_proven=False, is_warm=True)
    assert trust.window == WARM_WINDOW
    trust.take_failure(refusal())
    assert trust.window == 1
