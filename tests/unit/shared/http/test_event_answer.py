"""Answers of server-sent events: what happens when a client leaves, or stays and does not read."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from starlette.types import Message

from shared.http.event_answer import KEY_ENDED, EventAnswer, Write

SCOPE = {"type": "http"}


class Client:
    """The other side of an answer: keeps what it is sent, leaves when told to."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_leaving = asyncio.Event()
        self.is_reading = asyncio.Event()
        self.is_reading.set()

    async def receive(self) -> Message:
        """Wait until the client leaves."""
        await self.is_leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message, once the client reads."""
        await self.is_reading.wait()
        self.sent.append(message.get("body", b""))


@contextmanager
def hold(end: Callable[[], None]) -> Iterator[None]:
    """Revoke nothing."""
    del end
    yield


def note(seen: list[str], word: str) -> Callable[[], Awaitable[None]]:
    """Return a function that notes that it was called."""

    async def write_down() -> None:
        seen.append(word)

    return write_down


async def test_what_a_relay_writes_is_sent_and_closed() -> None:
    client, seen = Client(), list[str]()

    async def relay(write: Write) -> None:
        await write(b"data: 1\n\n")

    await EventAnswer(relay, hold, on_disconnect=note(seen, "left"))(SCOPE, client.receive, client.send)
    assert client.sent == [b"", b"data: 1\n\n", b""]
    assert seen == []


async def test_a_client_that_leaves_ends_the_relay_before_anything_else_happens() -> None:
    client, seen = Client(), list[str]()

    async def relay(write: Write) -> None:
        try:
            await write(b"data: 1\n\n")
            client.is_leaving.set()
            await asyncio.Event().wait()
        finally:
            seen.append("relay over")

    await EventAnswer(relay, hold, on_disconnect=note(seen, "left"))(SCOPE, client.receive, client.send)
    assert seen == ["relay over", "left"]
    assert client.sent == [b"", b"data: 1\n\n"]


async def test_an_answer_ends_with_its_key_and_says_so() -> None:
    client, seen = Client(), list[str]()

    @contextmanager
    def revoke_soon(end: Callable[[], None]) -> Iterator[None]:
        asyncio.get_running_loop().call_soon(end)
        yield

    async def relay(write: Write) -> None:
        await write(b"data: 1\n\n")
        await asyncio.Event().wait()

    answer = EventAnswer(relay, revoke_soon, on_disconnect=note(seen, "left"))
    await answer(SCOPE, client.receive, client.send)
    assert client.sent == [b"", b"data: 1\n\n", KEY_ENDED]
    assert b'"code":"invalid_api_key"' in KEY_ENDED
    assert seen == ["left"]


async def test_what_a_relay_raises_is_not_taken_for_a_client_that_left() -> None:
    client, seen = Client(), list[str]()

    async def relay(write: Write) -> None:
        raise TimeoutError("of a store")

    answer = EventAnswer(relay, hold, on_disconnect=note(seen, "left"))
    with pytest.raises(TimeoutError, match="of a store"):
        await answer(SCOPE, client.receive, client.send)
    assert seen == []
