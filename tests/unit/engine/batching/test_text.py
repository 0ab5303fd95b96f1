"""Text comes in whole characters, and nothing of a stop string is ever shown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.engine.batching.text import StopScanner, TextStream

ENGLISH_AND_CHINESE = "abc 龘靐齉 hero, 唐朝 🐉 end"


def test_a_character_of_several_tokens_comes_out_with_the_last_of_them(tokenizer: Any) -> None:
    tokens = tokenizer("龘", add_special_tokens=False).input_ids
    assert len(tokens) == 3
    stream = TextStream(tokenizer, tokenizer("a").input_ids)
    assert [stream.push(token) for token in tokens] == ["", "", "龘"]


def test_pieces_add_up_to_the_text(tokenizer: Any) -> None:
    stream = TextStream(tokenizer, tokenizer("prompt:").input_ids)
    tokens = tokenizer(ENGLISH_AND_CHINESE, add_special_tokens=False).input_ids
    pieces = [stream.push(token) for token in tokens]
    assert "".join(pieces) == ENGLISH_AND_CHINESE
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_leading_space_survives(tokenizer: Any) -> None:
    stream = TextStream(tokenizer, tokenizer("Say").input_ids)
    assert [stream.push(token) for token in tokenizer(" it", add_special_tokens=False).input_ids] == [" ", "i", "t"]


def test_special_tokens_have_no_text(tokenizer: Any) -> None:
    stream = TextStream(tokenizer, tokenizer("a").input_ids)
    assert stream.push(tokenizer.bos_token_id) == ""
    assert stream.push(tokenizer("b", add_special_tokens=False).input_ids[0]) == "b"


def test_text_before_the_stop_is_shown_and_the_stop_is_not() -> None:
    scanner = StopScanner(["。"])
    assert scanner.push("怪兽倒下。后来") == ("怪兽倒下", True)


def test_what_may_become_a_stop_is_held_back_until_it_does_not() -> None:
    scanner = StopScanner(["END", "\n\n"])
    assert scanner.push("a\n") == ("a", False)
    assert scanner.push("b E") == ("\nb ", False)
    assert scanner.push("N") == ("", False)
    assert scanner.push("d") == ("ENd", False)
    assert scanner.push("x\n") == ("x", False)
    assert scanner.flush() == "\n"


def test_the_earliest_of_several_stops_wins() -> None:
    assert StopScanner(["cd", "b"]).push("abcd") == ("a", True)


@given(st.text("ab。", max_size=30), st.lists(st.text("ab。", min_size=1, max_size=4), max_size=4), st.data())
def test_pieces_show_exactly_what_stands_before_the_first_stop(text: str, stops: list[str], data: Any) -> None:
    scanner = StopScanner(stops)
    shown, stopped = "", False
    rest = text
    while rest and not stopped:
        size = data.draw(st.integers(1, len(rest)))
        piece, stopped = scanner.push(rest[:size])
        shown, rest = shown + piece, rest[size:]
        assert not any(stop in shown for stop in stops)
    shown += "" if stopped else scanner.flush()
    places = [text.find(stop) for stop in stops if stop in text]
    assert stopped == bool(places)
    if not places:
        assert shown == text
    else:  # a later, longer stop may have begun earlier; no stop is shown either way
        assert text.startswith(shown)
        assert len(shown) in places


@pytest.mark.parametrize("stops", [[], ["zz"]])
def test_without_a_match_everything_is_shown(stops: list[str]) -> None:
    scanner = StopScanner(stops)
    assert scanner.push("hello")[0] + scanner.flush() == "hello"
