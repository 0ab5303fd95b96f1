"""Frames and parameters of every kind: each is answered or refused, none is a defect, and nobody else notices."""

import json
from random import Random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from services.streaming.sockets import close_codes
from tests.integration.streaming.service import Service, Watcher, serve
from tests.support.stack import eventually

ROUNDS = 40
FRAMES = 30
KNOWN_CODES = {close_codes.PROTOCOL, close_codes.TOO_MANY, 1003, 1007, 1009}
NAMES = ["t", "id", "stream", "from", "ticket", "request", "live_only", "n", ""]
WORDS: list[Any] = [
    *("sub", "unsub", "start", "cancel", "auth", "pong", "hello", "1-1", "0-0", "1-99999999999999999999", "-1--1"),
    *("str_1", "\x00", "\ud83d\ude00", "'; drop table completion", "a" * 500, "", " ", "null", "../..", "%00"),
    *(0, -1, 2**63, 2**70, 1e308, 0.5, True, False, None),
]


def draw_value(chance: Random, depth: int = 0) -> Any:
    """Return a value of any kind, likely one that a frame could hold."""
    kind = chance.random()
    if depth < 3 and kind < 0.1:
        return [draw_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if depth < 3 and kind < 0.2:
        return {chance.choice(NAMES): draw_value(chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice(WORDS)


def draw_frame(chance: Random, stream_id: str) -> str | bytes:
    """Return a frame: whole, odd, broken, or no JSON at all."""
    frame = {chance.choice(NAMES): draw_value(chance) for _ in range(chance.randrange(5))}
    if chance.random() < 0.8:
        frame["t"] = chance.choice(["sub", "unsub", "cancel", "start", "auth", "pong", "odd"])
    if chance.random() < 0.5:
        frame["stream"] = stream_id
    text = json.dumps(frame)
    kind = chance.random()
    if kind < 0.03:
        return text[: chance.randrange(len(text) + 1)]
    if kind < 0.04:
        return bytes(chance.randrange(256) for _ in range(20))
    if kind < 0.05:
        return "[" * chance.randrange(1, 4000)
    return text


async def talk_nonsense(service: Service, chance: Random, stream_id: str) -> int | None:
    """Send frames until the server has enough; return the code with which it closed."""
    async with service.connect() as socket:
        try:
            for _ in range(FRAMES):
                await socket.send(draw_frame(chance, stream_id))
            await (await socket.ping())
        except ConnectionClosed:
            pass
        else:
            return None
    return socket.close_code


async def test_frames_of_every_kind_are_answered_or_refused(
    database_url: str, redis_url: str, chance: Random, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(database_url, redis_url, closed_key_seconds=0) as service, service.connect() as quiet:
        watcher = await Watcher.greet(quiet)
        handle = await service.worker.open_stream(service.account)
        await watcher.subscribe(handle.stream_id)
        codes = {await talk_nonsense(service, chance, handle.stream_id) for _ in range(ROUNDS)}
        assert codes <= KNOWN_CODES | {None}
        handle.write("still here")
        await service.worker.finish(handle)
        assert (await watcher.watch_to_end(handle.stream_id)).text == "still here"
        await eventually(lambda: len(service.streaming.clients) == 1, what="the talkers to be gone")
    said = "".join(capsys.readouterr())
    assert "client_frame_failed" not in said
    assert "Traceback" not in said


async def test_parameters_of_an_event_stream_of_every_kind_are_answered_or_refused(
    service: Service, chance: Random
) -> None:
    handle = await service.worker.open_stream(service.account)
    handle.write("over")
    await service.worker.finish(handle)
    async with service.client() as client:
        for _ in range(200):
            stream_id = chance.choice([handle.stream_id, "str_1", "%00", "a" * 300, "%2e%2e", "%ff"])
            names = chance.sample(["after", "starting_after", "ticket", "other"], chance.randrange(4))
            params = {name: str(chance.choice(WORDS)).encode("utf-8", "surrogatepass").hex() for name in names}
            params |= {name: str(chance.choice([1, "1-1", "9-9", "-", "\x00", "x" * 2000])) for name in names[:1]}
            headers = {"last-event-id": chance.choice(["1-1", "x", "9" * 400])} if chance.random() < 0.3 else {}
            answer = await client.get(f"/v1/streams/{stream_id}", params=params, headers=headers)
            assert answer.status_code < 500, (stream_id, params, answer.text)
