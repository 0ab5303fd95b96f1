"""Cursors: one spelling, ordered as the pair."""

import pytest

from shared.contracts.stream.cursor import START, Cursor
from shared.contracts.stream.errors import InvalidCursorError


def test_cursors_are_ordered_as_pairs_and_not_as_text() -> None:
    assert Cursor(1, 9) < Cursor(1, 10) < Cursor(2, 1)
    assert Cursor.parse("12-345") == Cursor(12, 345)
    assert str(Cursor(12, 345)) == "12-345"


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "1-1-1", "01-1", "1-01", "+1-1", "1 -1", "١-٢", "1-1\n", "9" * 30 + "-1"]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        Cursor.parse(text)


def test_only_the_very_first_text_follows_the_start() -> None:
    assert START.is_followed_by(Cursor(1, 1))
    assert START.is_followed_by(Cursor(0, 1))
    assert not START.is_followed_by(Cursor(2, 1))
    assert Cursor(1, 4).is_followed_by(Cursor(1, 5))
    assert not Cursor(1, 4).is_followed_by(Cursor(2, 1))
