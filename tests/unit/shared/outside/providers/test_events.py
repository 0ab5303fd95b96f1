"""The events of a body in every tolerated framing, cut at every place."""

import pytest

from shared.outside.providers.border.events import MAX_EVENT_BYTES, EventReader, EventTooLargeError, is_done

BODY = (
    ": keep-alive\n\n"
    'data: {"text": "唐朝🦸"}\n\n'
    'data:{"text": "no space"}\r\n\r\n'
    "event: error\ndata: first\ndata: second\nid: 7\n\n"
    "data: cr only\r\r"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    (None, '{"text": "唐朝🦸"}'.encode()),
    (None, b'{"text": "no space"}'),
    ("error", b"first\nsecond"),
    (None, b"cr only"),
    (None, b"[DONE]"),
]
TWO = [(None, b'{"a": "x"}'), (None, b'{"b": 2}')]


def read(body: bytes, size: int | None = None) -> list[tuple[str | None, bytes]]:
    reader, size = EventReader(), size or max(1, len(body))
    events = [event for start in range(0, len(body), size) for event in reader.feed(body[start : start + size])]
    return events + reader.finish()


@pytest.mark.parametrize("size", range(1, len(BODY) + 1))
def test_events_are_the_same_wherever_the_network_cuts(size: int) -> None:
    assert read(BODY, size) == EVENTS


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"a": "x"}\ndata: {"b": 2}\n',
        b'{"a": "x"}\n{"b": 2}\n',
        b'{"a": "x"}\r\n{"b": 2}',
        b'\xef\xbb\xbfdata: {"a": "x"}\r\rdata: {"b": 2}',
        b'  data: {"a": "x"}\n \n  data: {"b": 2}\n\n',
        b'event: a\nid: 1\nretry: 5\n: hm\ndata: {"a": "x"}\n\ndata:\n\ndata: \n\ndata: {"b": 2}\n\n',
        b'data: {"a": "x"}\n{"b": 2}\n',
    ],
)
def test_no_framing_costs_an_event(body: bytes) -> None:
    for size in (1, 3, len(body)):
        assert [data for _, data in read(body, size)] == [data for _, data in TWO]


def test_one_object_over_many_lines_is_one_event() -> None:
    body = b'\n{\n "choices": [\n  {"text": "a"}\n ]\n}\n\ndata: [DONE]\n\n'
    for size in (1, 2, 5, len(body)):
        [(name, data)] = read(body, size)
        assert (name, data.split(b"data:")[0].split()) == (None, body.split(b"data:")[0].split())


def test_what_has_no_event_is_given_as_it_is() -> None:
    assert read(b"<html>\n<h1>502</h1>") == [(None, b"<html>\n<h1>502</h1>\n")]
    assert read(b"") == read(b": hello\n\n") == []


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    reader = EventReader()
    assert reader.feed(b"data: last") == []
    assert reader.finish() == [(None, b"last")]


def test_a_line_that_ends_with_cr_waits_for_nothing() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\r\r") == [(None, b"a")]
    assert reader.feed(b"\ndata: b\r\r") == [(None, b"b")]


def test_an_event_name_does_not_leak_into_the_next_event() -> None:
    assert EventReader().feed(b"event: ping\n\ndata: x\n\n") == [(None, b"x")]


@pytest.mark.parametrize("mark", [b"[DONE]", b" [DONE] ", b'"[DONE]"', b"[done]\t"])
def test_the_mark_of_the_end_may_have_blanks_around_it(mark: bytes) -> None:
    assert is_done(mark)
    assert not is_done(b'{"text": "[DONE]"}')


def test_an_endless_event_is_refused() -> None:
    reader = EventReader()
    reader.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLargeError):
        reader.feed(b"x")
    reader = EventReader()
    reader.feed(b"{\n")
    reader.feed(b"x" * (MAX_EVENT_BYTES - 2))
    with pytest.raises(EventTooLargeError):
        reader.feed(b"x")
