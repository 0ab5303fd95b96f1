"""What all texts of a column share at their ends, at a cost that grows with their length and not with its square."""

import time

import pytest

from services.preparation.conversation.common_affix import CommonPrefix, CommonSuffix

TEXTS = ["", "a", "b", "ab", "ba", "aab", "bab", "a" * 9, "a" * 8 + "b", "b" + "a" * 8, "故事->", "新故事->"]
LONG = 4_000_000
"""Halving takes milliseconds; cutting off one character at a time took minutes."""


def share_beginning(first: str, second: str) -> str:
    """Return what both begin with, found in the plainest way."""
    return next(first[:size] for size in range(len(first), -1, -1) if second.startswith(first[:size]))


@pytest.mark.parametrize("first", TEXTS)
@pytest.mark.parametrize("second", TEXTS)
def test_both_ends_are_found(first: str, second: str) -> None:
    prefix, suffix = CommonPrefix(), CommonSuffix()
    prefix.observe([first, second])
    suffix.observe([first, second])
    assert prefix.text == share_beginning(first, second)
    assert suffix.text == share_beginning(first[::-1], second[::-1])[::-1]


def test_long_texts_that_differ_at_their_end_cost_no_square() -> None:
    prefix, suffix = CommonPrefix(), CommonSuffix()
    begun = time.process_time()
    suffix.observe(["a" * LONG, "a" * LONG + "b"])
    prefix.observe(["b" + "a" * LONG, "a" * LONG])
    prefix.observe(["c" + "a" * LONG])
    assert time.process_time() - begun < 5
    assert (prefix.text, suffix.text) == ("", "")
