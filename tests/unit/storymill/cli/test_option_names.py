"""Errors of the API in the words of the command line."""

import pytest

from storymill.cli.option_names import name_options
from storymill.client.errors import ApiError

NAMES = {"tuned.prompt_tokens": "--tuned-prompt", "budget_usd": "--budget", "provider": "--provider", "model": "MODEL"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Give tuned.prompt_tokens.", "Give --tuned-prompt."),
        ("Give 'provider' to ask for its price.", "Give --provider to ask for its price."),
        ("budget_usd: give a number over 0.", "--budget: give a number over 0."),
        ("The provider of this model says no.", "The provider of this model says no."),
        ("Write [providers.x] budget_usd = 3", "Write [providers.x] --budget = 3"),
        ("No model 'model-7' in /v1/budget_usd/x.", "No model 'model-7' in /v1/budget_usd/x."),
        ("unknown_field is not known", "unknown_field is not known"),
    ],
)
def test_a_field_becomes_the_option_that_fills_it(message: str, said: str) -> None:
    error = name_options(ApiError(400, message, "code", 2.0, "budget_usd"), NAMES)
    assert str(error) == f"The gateway refused (400): {said}"
    assert (error.status, error.code, error.retry_after_seconds, error.param) == (400, "code", 2.0, "budget_usd")
