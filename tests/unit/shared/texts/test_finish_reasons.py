"""Why a model stopped, however its provider spells it."""

import pytest

from shared.texts.finish_reasons import CUT_OFF, ENDINGS, SPELLINGS, Ending, find_ending, name_reason, says_nothing


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("stop", "stop"), ("END_TURN", "stop"), ("eos-token", "stop"), ("Stop Sequence", "stop"), ("eosFound", "stop"),
        ("MAX_TOKENS", "length"), ("model_length", "length"), ("SAFETY", "content_filter"),
        ("sensitive", "content_filter"), ("tool_use", "tool_calls"), ("function_call", "function_call"),
        ("network_error", "error"),
        ("insufficient_system_resource", "error"), (" something else ", "something else"),
    ],
)  # fmt: skip
def test_a_reason_has_the_name_that_openai_gives_it(reason: str, name: str) -> None:
    assert name_reason(reason) == name


def test_each_spelling_means_one_thing_and_is_spelled_as_it_is_looked_up() -> None:
    assert sum(len(spellings) for spellings in SPELLINGS.values()) == len(ENDINGS)
    assert all(find_ending(spelling.upper()) is ending for spelling, ending in ENDINGS.items())
    assert all(find_ending(ending.value) is ending for ending in SPELLINGS)
    assert all(find_ending(reason) is Ending.LENGTH for reason in CUT_OFF)


@pytest.mark.parametrize("reason", ["", "null", "None", "FINISH_REASON_UNSPECIFIED"])
def test_words_for_nothing_are_no_reasons(reason: str) -> None:
    assert says_nothing(reason)
    assert not says_nothing("stop")
