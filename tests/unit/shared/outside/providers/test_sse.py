"""The SSE parser on every tolerated form, cut at every place."""

import pytest

from shared.outside.providers.border.sse import MAX_EVENT_BYTES, EventTooLargeError, SseParser

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


@pytest.mark.parametrize("size", range(1, len(BODY) + 1))
def test_events_are_the_same_wherever_the_network_cuts(size: int) -> None:
    parser = SseParser()
    events = [event for start in range(0, len(BODY), size) for event in parser.feed(BODY[start : start + size])]
    assert events + parser.finish() == EVENTS


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    parser = SseParser()
    assert parser.feed(b"data: last") == []
    assert parser.finish() == [(None, b"last")]


def test_an_event_name_does_not_leak_into_the_next_event() -> None:
    assert SseParser().feed(b"event: ping\n\ndata: x\n\n") == [(None, b"x")]


def test_an_endless_event_is_refused() -> None:
    parser = SseParser()
    parser.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLargeError):
        parser.feed(b"x")
