"""Sends the deltas of a request: as server-sent events, or gathered into one answer.

Either way a client that goes away takes its sequences out of the batch at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from services.engine.batching.requests import Delta, TokenLogprob
from services.engine.batching.running_request import RunningRequest
from services.engine.errors import ApiError
from services.engine.serving import Serving

Chunk = dict[str, Any]
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment line of an event stream, which clients pass over."""
DONE = b"data: [DONE]\n\n"
"""The last event of a stream, as OpenAI ends it."""
CLIENT_CLOSED_REQUEST = 499
"""What nginx's status 499 means: nobody reads this answer."""


@dataclass
class Choice:
    """One finished text."""

    text: str = ""
    tokens: int = 0
    logprobs: list[TokenLogprob] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob] | None = None
    finish_reason: str | None = None
    embedding: bytes = b""

    def add(self, delta: Delta) -> None:
        """Append what has come."""
        self.text += delta.text
        self.tokens += delta.tokens
        self.logprobs += delta.logprobs
        if delta.prompt_logprobs is not None:
            self.prompt_logprobs = delta.prompt_logprobs
        self.embedding = delta.embedding or self.embedding
        self.finish_reason = delta.finish_reason


def count_usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Build OpenAI's usage object."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def to_event(chunk: object) -> bytes:
    """One server-sent event, exactly as old clients need it: a space after the colon, one line."""
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


async def gather_choices(serving: Serving, running: RunningRequest, request: Request) -> list[Choice] | None:
    """Wait for all texts; None if the client went away. Raises: ServerError when the engine fails or stops."""
    choices = [Choice() for _ in running.requests]

    async def collect() -> None:
        async for delta in watch_first_token(serving, running):
            choices[delta.index].add(delta)

    collecting = asyncio.ensure_future(collect())
    leaving = asyncio.ensure_future(_wait_for_disconnect(request))
    async with _cancelled_at_the_end(serving, running):
        try:
            await asyncio.wait({collecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not collecting.done():
                serving.metrics.disconnected.inc()
                return None
            await collecting
        finally:
            collecting.cancel()
            leaving.cancel()
    return choices


def answer_whole(content: Chunk) -> Response:
    """Answer with one JSON body."""
    return Response(orjson.dumps(content), media_type="application/json")


def gone() -> Response:
    """Answer nobody."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def stream_answer(
    serving: Serving,
    running: RunningRequest,
    first: list[Chunk],
    shape: Callable[[Delta], list[Chunk]],
    usage: Callable[[int], Chunk] | None,
) -> Response:
    """Answer with events: `first` chunks, each delta's, and with `usage` a last chunk from the token count."""
    events = _write_events(serving, running, first, shape, usage)
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
    )


async def watch_first_token(serving: Serving, running: RunningRequest) -> AsyncIterator[Delta]:
    """Pass the deltas on, noting when the first one came."""
    waited = False
    async for delta in running.read():
        if not waited:
            waited = True
            serving.metrics.first_token_seconds.observe(time.monotonic() - running.submitted)
        yield delta


async def _write_events(
    serving: Serving,
    running: RunningRequest,
    first: list[Chunk],
    shape: Callable[[Delta], list[Chunk]],
    usage: Callable[[int], Chunk] | None,
) -> AsyncIterator[bytes]:
    tokens = 0
    async with _cancelled_at_the_end(serving, running):
        try:
            if first:
                yield b"".join(map(to_event, first))
            async for delta in _with_pauses(watch_first_token(serving, running), serving.settings.keep_alive_seconds):
                if delta is None:
                    yield KEEP_ALIVE
                    continue
                tokens += delta.tokens
                # In a thread where a whole prompt is scored: naming its tokens takes a while.
                is_long = delta.prompt_logprobs is not None
                chunks = await asyncio.to_thread(shape, delta) if is_long else shape(delta)
                yield b"".join(map(to_event, chunks))
        except ApiError as error:
            yield to_event(error.body())
            return
        yield (to_event(usage(tokens)) if usage else b"") + DONE


async def _with_pauses(deltas: AsyncIterator[Delta], seconds: float) -> AsyncIterator[Delta | None]:
    """Pass deltas on; yield None whenever none has come for `seconds`."""
    pending: asyncio.Future[Delta] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(deltas))
            done, _ = await asyncio.wait({pending}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                delta = pending.result()
            except StopAsyncIteration:
                return
            finally:
                pending = None
            yield delta
    finally:
        if pending is not None:
            pending.cancel()


@asynccontextmanager
async def _cancelled_at_the_end(serving: Serving, running: RunningRequest) -> AsyncIterator[None]:
    """However the answer ends, let nothing be written that nobody reads."""
    try:
        yield
    finally:
        serving.get_loaded().thread.cancel(running)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
