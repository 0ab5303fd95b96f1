"""Every frame on the wire, letter for letter: clients and other releases read these."""

import json
from typing import Any

import pytest

from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.errors import InvalidFrameError
from shared.contracts.stream.frames import (
    Delta,
    End,
    ErrorFrame,
    Frame,
    GoAway,
    Header,
    Heartbeat,
    Hello,
    Rewind,
    ServerFrame,
    Snapshot,
    State,
    Subscribed,
    decode,
    encode,
    encode_with_header,
    split_header,
)
from shared.contracts.stream.packet import encode_event

STREAM_FRAMES: list[tuple[Frame, str, bytes]] = [
    (
        Delta("s", Cursor(1, 2), Cursor(1, 3), 4, "文"),
        '{"t":"d","stream":"s","c0":"1-2","c":"1-3","o":4,"x":"文"}',
        b"1|2|3|",
    ),
    (
        Delta("s", Cursor(1, 1), Cursor(1, 1), 0, "", ({"tool_calls": []},)),
        '{"t":"d","stream":"s","c0":"1-1","c":"1-1","o":0,"x":"","e":[{"tool_calls":[]}]}',
        b"1|1|1|",
    ),
    (Snapshot("s", Cursor(2, 7), "all"), '{"t":"n","stream":"s","c":"2-7","text":"all"}', b"2|1|7|"),
    (Rewind("s", Cursor(2, 1), 0, "timeout"), '{"t":"r","stream":"s","c":"2-1","o":0,"why":"timeout"}', b"2|1|1|"),
    (State("s", "running"), '{"t":"st","stream":"s","state":"running"}', b"0|0|0|"),
    (State("s", "queued", 3), '{"t":"st","stream":"s","state":"queued","pos":3}', b"0|0|0|"),
    (
        End("s", Cursor(1, 4), "succeeded", 5, "ab", {"total_tokens": 3}, "stop"),
        '{"t":"end","stream":"s","c":"1-4","state":"succeeded","chars":5,"sha256":"ab","usage":{"total_tokens":3},'
        '"finish_reason":"stop","error":null}',
        b"1|4|4|",
    ),
]
OTHER_FRAMES: list[tuple[ServerFrame, str]] = [
    (Hello("conn_1", 15, 100), '{"t":"hello","v":"storymill.v1","conn":"conn_1","hb":15,"max_subs":100}'),
    (
        Subscribed(1, "s", "running", Cursor(1, 2), "delta"),
        '{"t":"subd","id":1,"stream":"s","state":"running","top":"1-2","mode":"delta"}',
    ),
    (Heartbeat(1.5, {"s": Cursor(1, 2)}), '{"t":"hb","ts":1.5,"tops":{"s":"1-2"}}'),
    (ErrorFrame("a", {"message": "no"}), '{"t":"err","id":"a","error":{"message":"no"}}'),
    (GoAway(250), '{"t":"goaway","in_ms":250}'),
]


@pytest.mark.parametrize(("frame", "text", "header"), STREAM_FRAMES)
def test_a_stream_frame_is_written_and_read_back(frame: Frame, text: str, header: bytes) -> None:
    assert encode_with_header(frame) == header + text.encode()
    read_header, body = split_header(header + text.encode())
    assert decode(body) == frame
    assert read_header == Header(*(int(part) for part in header.split(b"|")[:3]))


@pytest.mark.parametrize(("frame", "text"), OTHER_FRAMES)
def test_a_connection_frame_is_written(frame: ServerFrame, text: str) -> None:
    assert encode(frame).decode() == text


@pytest.mark.parametrize("payload", [b"", b"1|2|3", b"x|1|1|{}", b"{}", b"1|1"])
def test_a_payload_without_header_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidFrameError):
        split_header(payload)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"t":"zz"}', b'{"t":"d","stream":"s"}', b'{"t":"n","stream":"s","c":"x"}']
)
def test_a_body_that_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidFrameError):
        decode(body)


def test_a_frame_of_a_newer_release_is_read_without_its_new_fields() -> None:
    wire: dict[str, Any] = json.loads(STREAM_FRAMES[0][1]) | {"new": 1}
    assert decode(json.dumps(wire).encode()) == STREAM_FRAMES[0][0]


def test_events_carry_the_cursor_as_their_id() -> None:
    assert encode_event(STREAM_FRAMES[2][0]) == (
        b'id: 2-7\nevent: snapshot\ndata: {"t":"n","stream":"s","c":"2-7","text":"all"}\n\n'
    )
    assert encode_event(State("s", "running")).startswith(b"event: state\ndata: ")
