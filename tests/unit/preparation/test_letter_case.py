"""Counting case a batch at a time gives what Python says of every single character."""

import pytest

from services.preparation.conversation.letter_case import count_case

BLOCK = 0x1000


def _slow(text: str) -> tuple[int, int]:
    letters = [character for character in text if character.isalpha()]
    return sum(c.isupper() for c in letters), sum(c.islower() for c in letters)


@pytest.mark.parametrize("start", range(0, 0x110000, 0x10000))
def test_every_code_point_counts_as_python_says(start: int) -> None:
    for block in range(start, start + 0x10000, BLOCK):
        text = "".join(chr(code) for code in range(block, block + BLOCK) if not 0xD800 <= code < 0xE000)
        assert count_case(text) == _slow(text)


def test_plain_ascii_and_mixed_text() -> None:
    assert count_case("Hello WORLD 123") == (6, 4)
    assert count_case("他说 V1.0，Ａｂ 😀") == (2, 1)
    assert count_case("") == (0, 0)
