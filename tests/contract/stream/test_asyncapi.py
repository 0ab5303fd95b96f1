"""docs/asyncapi.yaml: a whole AsyncAPI 3 document that knows every frame, and no other."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.streaming.sockets.client_frames import ProtocolError, read_client_frame
from shared.contracts.stream import frames
from shared.contracts.stream.cursor import Cursor
from shared.errors import InvalidRequestError
from tests.support.socket_truth import check_message, load_asyncapi

TOP = Cursor(2, 7)
ERROR = {"message": "no", "type": "server_error", "param": None, "code": None}
SERVER_FRAMES: list[frames.ServerFrame] = [
    frames.Hello("c1", 15.0, 1000),
    frames.Subscribed(1, "str_1", "running", TOP, "delta"),
    frames.Delta("str_1", Cursor(2, 6), TOP, 3, "从", ({"logprobs": {}},), (3,)),
    frames.Snapshot("str_1", TOP, "从前", ({"refusal": "no"},), (0,)),
    frames.Rewind("str_1", Cursor(2, 1), 0, "retry"),
    frames.State("str_1", "queued", 3),
    frames.End("str_1", TOP, "failed", 2, "0" * 64, None, None, ERROR, {"service_tier": "flex"}),
    frames.Heartbeat(1.5, {"str_1": TOP}),
    frames.ErrorFrame("a", ERROR),
    frames.GoAway(500),
]
CLIENT_FRAMES: list[dict[str, Any]] = [
    {"t": "sub", "id": 1, "stream": "str_1", "from": "1-4"},
    {"t": "sub", "id": "a", "stream": "str_1", "from": "live"},
    {"t": "unsub", "id": 1},
    {"t": "cancel", "id": 2, "stream": "str_1"},
    {"t": "start", "id": 3, "request": {"prompt": "从前"}},
    {"t": "auth", "ticket": "tick_1"},
    {"t": "pong"},
]


def walk(value: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def test_every_reference_leads_somewhere() -> None:
    document = load_asyncapi()
    assert document["asyncapi"].startswith("3.")
    references = [part["$ref"] for part in walk(document) if "$ref" in part]
    assert len(references) > 40
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize("frame", SERVER_FRAMES, ids=lambda frame: type(frame).__name__)
def test_every_frame_of_the_server_is_as_declared(frame: frames.ServerFrame) -> None:
    check_message("fromServer", json.loads(frames.encode(frame)))


def test_every_kind_of_frame_was_looked_at() -> None:
    kinds = {part.__name__ for part in frames.ServerFrame.__args__}
    assert {type(frame).__name__ for frame in SERVER_FRAMES} == kinds
    declared = load_asyncapi()["components"]["schemas"]["ServerFrame"]["oneOf"]
    assert {part["$ref"].rsplit("/", 1)[-1] for part in declared} == kinds


@pytest.mark.parametrize("frame", CLIENT_FRAMES, ids=lambda frame: str(frame["t"]))
def test_what_a_client_may_send_is_read(frame: dict[str, Any]) -> None:
    check_message("fromClient", frame)
    read_client_frame(frame)


@pytest.mark.parametrize("frame", [{"t": "sub"}, {"t": "nothing"}, {"t": "auth", "ticket": ""}, {"t": "start"}])
def test_what_is_not_declared_is_refused(frame: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check_message("fromClient", frame)
    with pytest.raises((InvalidRequestError, ProtocolError)):
        read_client_frame(frame)
