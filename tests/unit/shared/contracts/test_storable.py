"""What Postgres, an encoder and a client can hold, and what becomes of the rest."""

import math
from typing import Any

import orjson
import pytest

from shared.contracts.storable import (
    CUT_MARK,
    DEEPEST_NESTING,
    cut_text,
    decode_text,
    encode_storable_json,
    holds_nul,
    is_nested_deeper,
    make_storable_json,
    make_storable_text,
)


def nest(levels: int, *, objects: bool = False) -> Any:
    """Return a value inside so many lists or objects."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if objects else [value]
    return value


@pytest.mark.parametrize("text", ["", "plain", "唐朝🦸", "a\ufeff", "\x01\n"])
def test_a_sound_text_is_the_same_object(text: str) -> None:
    assert make_storable_text(text) is text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("\ud83dx\ude00", "\ufffdx\ufffd"),
        ("\ufeff\ud83d", "\ufeff\ufffd"),
        ("唐\x00\udcff", "唐\ufffd\ufffd"),
    ],
)
def test_what_cannot_be_kept_has_a_mark_in_its_place(text: str, mended: str) -> None:
    assert make_storable_text(text) == mended


def test_a_cut_text_shows_that_it_was_cut() -> None:
    assert cut_text("x" * 32, 32) == "x" * 32
    assert cut_text("x" * 33, 32) == "x" * 31 + CUT_MARK
    assert cut_text("x" * 30 + "\ud83d\ude00z", 32) == "x" * 30 + "\ufffd" + CUT_MARK


def test_bytes_that_are_no_text_become_one() -> None:
    assert decode_text(b"a\x00\xff\xed\xa0\x80") == "a\ufffd\ufffd\ufffd\ufffd\ufffd"


def test_numbers_that_json_has_no_word_for_are_null_or_named() -> None:
    odd = [math.nan, math.inf, -math.inf, 10**400, -(10**400), 10**30, 2**64 - 1]
    assert make_storable_json(odd) == [None, None, None, None, None, 1e30, 2**64 - 1]
    assert make_storable_json(odd, names_numbers=True) == ["nan", "inf", "-inf", "inf", "-inf", 1e30, 2**64 - 1]


@pytest.mark.parametrize("objects", [False, True])
def test_what_is_nested_too_deeply_is_cut_and_nothing_less(objects: bool) -> None:
    for levels in (DEEPEST_NESTING, DEEPEST_NESTING + 1):
        value = nest(levels, objects=objects)
        assert is_nested_deeper(value) is (levels > DEEPEST_NESTING)
        assert (make_storable_json(value) == value) is (levels == DEEPEST_NESTING)
    assert CUT_MARK.encode() in encode_storable_json(nest(900, objects=objects))


def test_json_is_encoded_as_ever_unless_it_cannot_be_kept() -> None:
    sound = {"text": "\\u0000 is how it is written", "n": [1, 2.5, None]}
    assert encode_storable_json(sound) == orjson.dumps(sound)
    assert orjson.loads(encode_storable_json({"a\x00": "\ud800\x00"})) == {"a\ufffd": "\ufffd\ufffd"}
    with pytest.raises(TypeError):
        encode_storable_json({"a": {1, 2}})


def test_nul_is_found_wherever_it_stands() -> None:
    assert holds_nul({"a": [{"\x00": 1}]})
    assert holds_nul([["x\x00"]])
    assert not holds_nul({"a": ["\\u0000", 0, None]})
