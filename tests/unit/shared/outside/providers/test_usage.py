"""Token counts as providers tell them, cached input among them."""

from typing import Any

import orjson
import pytest

from shared.outside.providers.border.answers import read_said
from shared.outside.providers.border.usage import Usage, parse_usage
from shared.outside.providers.border.whole_answers import parse_answer

COUNTED = {"prompt_tokens": 100, "completion_tokens": 7}


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({"cached_tokens": 64}, 64),
        ({"cached_tokens": 999}, 100),
        ({"cached_tokens": -1}, 0),
        ({"cached_tokens": None}, 0),
        ({"cached_tokens": "64"}, 64),
        ({"cached_tokens": "many"}, 0),
        ({}, 0),
        (None, 0),
        ([], 0),
    ],
)
def test_cached_tokens_are_read_and_never_more_than_the_prompt(details: Any, cached: int) -> None:
    usage = parse_usage({**COUNTED, "prompt_tokens_details": details})
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (100, 7, cached)
    told = usage.details.get("prompt_tokens_details", {})
    assert told == ({"cached_tokens": cached} if told else {})


def test_what_is_told_of_the_counts_is_kept_and_nothing_else() -> None:
    told = {
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": None, "text": "many"},
        "output_tokens_details": {"reasoning_tokens": "5"},
    }
    usage = parse_usage({**COUNTED, **told})
    assert usage is not None
    assert usage.details == {
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    deepseek = parse_usage({**COUNTED, "prompt_cache_hit_tokens": 3})
    assert deepseek is not None
    assert deepseek.details == {"prompt_tokens_details": {"cached_tokens": 3}}


def test_answers_and_streams_carry_cached_tokens() -> None:
    usage = {**COUNTED, "prompt_tokens_details": {"cached_tokens": 64}}
    body = {"choices": [{"text": "x", "finish_reason": "stop"}], "usage": usage}
    assert parse_answer("completion", orjson.dumps(body), {}).cached_tokens == 64
    found = read_said("completion", {"choices": [], "usage": usage}, {})
    assert found.usage == Usage(100, 7, 64, {"prompt_tokens_details": {"cached_tokens": 64}})
