"""How plausible a text is as writing of some language: a log-likelihood, so that readings of one file can be compared.

Only characters beyond ASCII count, for all code pages here agree on the others. A word counts once however often it
stands in the file, so that a template that fills a file has one voice.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from math import log
from typing import Final

from shared.texts.letter_frequencies import (
    COMMON_MARKS,
    HANGUL,
    JAPANESE,
    LATIN_LETTERS,
    OTHER_LETTERS,
    RARE_MARKS,
    SIMPLIFIED,
    TRADITIONAL,
)

# Runs of letters of ASCII and of anything beyond it. No two parts of it overlap: linear in the text, whatever it holds.
WORD: Final = re.compile(r"[^\s\x00-\x40\x5b-\x60\x7b-\x7f]+")
WORD_CHARACTERS: Final = 200
# In nats, each for one character.
STRANGE: Final = log(1e-6)  # a control character, a private one, one of no alphabet of the language
RARE_MARK: Final = log(1e-4)
COMMON_MARK: Final = log(1e-2)
CAPITAL: Final = log(0.03)  # beside its small letter
CAPITAL_INSIDE: Final = log(1e-3)  # behind a small letter in a word
OTHER_SCRIPT: Final = log(1e-3)  # a letter of another script in a Latin word
TOUCHING_SCRIPT: Final = log(0.2)  # at its end, of a script that is written without spaces
FIRST_EAST_ASIAN: Final = "\u2e80"
LATIN_NAMES: Final = ("LATIN", "MASCULINE", "FEMININE", "MICRO")
# East Asian characters: the first hundreds make up half of a text.
FREQUENT_SHARE: Final = 0.6
OTHER_COMMON_COUNT: Final = 3500
UNCOMMON: Final = log(1e-6)
KANA: Final = log(0.6 / 80)
EAST_ASIAN_MARKS: Final = "，。、；：？！“”‘’（）《》「」『』【】…—·～　ー々〈〉"


def word_likelihood(words: Iterable[str], language: str) -> float:
    """Return the log-likelihood of these words' characters beyond ASCII in a language of the tables below."""
    table = character_table(language)
    return sum(_word(word, table) for word in words)


def distinct_words(text: str, at_most: int) -> set[str]:
    """Return the first words of a text that have a character beyond ASCII, each once."""
    found: set[str] = set()
    for match in WORD.finditer(text):
        word = match.group()
        if not word.isascii():
            found.add(word[:WORD_CHARACTERS])
            if len(found) == at_most:
                break
    return found


def _word(word: str, table: dict[str, float]) -> float:
    total, before = 0.0, ""
    for character, after in zip(word, [*word[1:], ""], strict=True):
        if character > "\x7f":
            total += _character(character, before, table)
            if is_small(before) or is_small(after):
                total += _beside_latin(character, is_small(before) and is_small(after))
        before = character
    return total


def is_small(character: str) -> bool:
    """Whether it is a small letter of ASCII."""
    return "a" <= character <= "z"


def _character(character: str, before: str, table: dict[str, float]) -> float:
    likelihood = table.get(character)
    if likelihood is not None:
        return likelihood
    small = table.get(character.lower()) if character.isupper() else None
    if small is None:
        return STRANGE
    return small + (CAPITAL_INSIDE if before.islower() else CAPITAL)


@cache
def _beside_latin(character: str, is_amid: bool) -> float:
    """What it costs that a character touches small letters of ASCII."""
    if unicodedata.category(character)[0] not in "LM" or unicodedata.name(character, "").startswith(LATIN_NAMES):
        return 0.0
    return OTHER_SCRIPT if is_amid or character < FIRST_EAST_ASIAN else TOUCHING_SCRIPT


@cache
def character_table(language: str) -> dict[str, float]:
    """Return the log-frequency of every character that a language uses."""
    table = dict.fromkeys(RARE_MARKS, RARE_MARK) | dict.fromkeys(COMMON_MARKS, COMMON_MARK)
    if language in LATIN_LETTERS:
        return table | _by_rank(LATIN_LETTERS[language])
    if language in OTHER_LETTERS:
        return table | _by_rank(OTHER_LETTERS[language])
    return table | dict.fromkeys(EAST_ASIAN_MARKS, COMMON_MARK) | EAST_ASIAN[language]()


def _by_rank(letters: str) -> dict[str, float]:
    total = sum(1 / (rank + 2) for rank in range(len(letters)))
    return {letter: log(1 / (rank + 2) / total) for rank, letter in enumerate(letters)}


def _by_frequency(frequent: str, others: Iterable[str]) -> dict[str, float]:
    head = set(frequent)
    table = dict.fromkeys(others, log((1 - FREQUENT_SHARE) / OTHER_COMMON_COUNT))
    return table | dict.fromkeys(head, log(FREQUENT_SHARE / len(head)))


def _decode_rows(encoding: str, first: int, last: int, trails: Iterable[int]) -> list[str]:
    """Return the characters of the lead bytes `first` to `last`."""
    pairs = (bytes([lead, trail]) for lead in range(first, last + 1) for trail in trails)
    return [text for text in (pair.decode(encoding, "ignore") for pair in pairs) if len(text) == 1]


HIGH_BYTES: Final = range(0xA1, 0xFF)


def _simplified() -> dict[str, float]:
    rare = dict.fromkeys(_decode_rows("gb2312", 0xD8, 0xF7, HIGH_BYTES), UNCOMMON)
    return rare | _by_frequency(SIMPLIFIED, _decode_rows("gb2312", 0xB0, 0xD7, HIGH_BYTES))


def _traditional() -> dict[str, float]:
    trails = [*range(0x40, 0x7F), *HIGH_BYTES]
    rare = dict.fromkeys(_decode_rows("big5", 0xC9, 0xF9, trails), UNCOMMON)
    return rare | _by_frequency(TRADITIONAL, _decode_rows("big5", 0xA4, 0xC6, trails))


def _japanese() -> dict[str, float]:
    rare = dict.fromkeys(_decode_rows("euc_jp", 0xD0, 0xF4, HIGH_BYTES), UNCOMMON)
    kanji = _by_frequency(JAPANESE, _decode_rows("euc_jp", 0xB0, 0xCF, HIGH_BYTES))
    return rare | kanji | dict.fromkeys(map(chr, [*range(0x3041, 0x3097), *range(0x30A1, 0x30FD)]), KANA)


def _korean() -> dict[str, float]:
    return _by_frequency(HANGUL, _decode_rows("euc_kr", 0xB0, 0xC8, HIGH_BYTES))


EAST_ASIAN: Final = {
    "Chinese": _simplified,
    "Traditional Chinese": _traditional,
    "Japanese": _japanese,
    "Korean": _korean,
}
