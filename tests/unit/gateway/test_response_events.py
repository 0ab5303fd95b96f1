"""A response's events: however a text is cut on its way, the same place has the same number."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.responses.events import EventNumbers
from services.gateway.responses.output_items import OutputItems

LETTERS = "aé汉🦸"
Piece = tuple[str, dict[str, Any] | None]
CALLS = st.builds(
    lambda index, arguments: (
        "",
        {"tool_calls": [{"index": index, "function": {"name": "f", "arguments": arguments}}]},
    ),
    st.integers(0, 2),
    st.text(LETTERS, max_size=4),
)
PIECES = st.lists(
    st.one_of(
        st.text(LETTERS, min_size=1, max_size=8).map(lambda text: (text, None)),
        st.text(LETTERS, min_size=1, max_size=4).map(lambda text: ("", {"reasoning_content": text})),
        st.just(("", {"refusal": "no"})),
        st.just(("", {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]})),
        CALLS,
    ),
    max_size=12,
)


def cut(pieces: list[Piece], sizes: list[int]) -> list[Piece]:
    """The same pieces with their texts cut into smaller ones."""
    made: list[Piece] = []
    for number, (text, extra) in enumerate(pieces):
        size = sizes[number % len(sizes)]
        made += [(text[at : at + size], None) for at in range(0, len(text), size)] if text else [(text, extra)]
    return made


def tell(pieces: list[Piece], after: int = -1) -> list[dict[str, Any]]:
    """The events of these pieces behind a number."""
    output, numbers = OutputItems("u"), EventNumbers(after)
    told = [event for text, extra in pieces for event in output.take(text, extra)]
    lines = [chunk.decode().split("data: ", 1)[1] for chunk in numbers.write([*told, *output.finish("completed")])]
    return [json.loads(line) for line in lines]


def spell_out(events: list[dict[str, Any]]) -> list[tuple[int, Any]]:
    """Every event as its number and what it says, deltas code point by code point."""
    spelled: list[tuple[int, Any]] = []
    for event in events:
        number, delta = event["sequence_number"], event.get("delta")
        if delta is None:
            spelled.append((number, {name: value for name, value in event.items() if name != "sequence_number"}))
        else:
            spelled += [(number - len(delta) + 1 + at, (event["type"], char)) for at, char in enumerate(delta)]
    return spelled


@given(PIECES, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_the_same_place_has_the_same_number(pieces: list[Piece], sizes: list[int]) -> None:
    whole = spell_out(tell(pieces))
    assert spell_out(tell(cut(pieces, sizes))) == whole
    assert [number for number, _ in whole] == list(range(len(whole)))


@given(PIECES, st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(-1, 80))
def test_a_reader_who_comes_back_gets_what_it_has_not(pieces: list[Piece], sizes: list[int], after: int) -> None:
    whole = spell_out(tell(pieces))
    assert spell_out(tell(cut(pieces, sizes), after)) == [step for step in whole if step[0] > after]


@given(PIECES)
def test_every_item_is_added_before_it_grows_and_done_once(pieces: list[Piece]) -> None:
    events = tell(pieces)
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    done = sorted(event["output_index"] for event in events if event["type"] == "response.output_item.done")
    assert added == done == list(range(len(added)))
    assert all(first["sequence_number"] < second["sequence_number"] for first, second in pairwise(events))
