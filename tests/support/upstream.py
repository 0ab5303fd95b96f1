"""A scripted OpenAI-compatible provider on a free port: the one thing that tests replace, at the HTTP boundary.

It keeps its own log of calls, so that a test can hold our books against the other side's. Also a command:
`python -m tests.support.upstream --port 9000 --delay-seconds 0.05`, for benchmarks."""

import argparse
import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.upstream_script import Script, prompt_of

MODEL = "scripted-1"
CREATED = 1_700_000_000


@dataclass
class Call:
    """One request as the provider saw it. Times are `time.monotonic()`, comparable inside this machine."""

    number: int
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    started_at: float = field(default_factory=time.monotonic)
    first_byte_at: float | None = None
    ended_at: float | None = None
    closed_by_client_at: float | None = None
    status: int | None = None
    tokens_sent: int = 0

    @property
    def is_chat(self) -> bool:
        """Whether it came to the chat endpoint."""
        return self.path.endswith("/chat/completions")

    @property
    def in_flight(self) -> bool:
        """Whether it is neither answered nor given up."""
        return self.ended_at is None and self.closed_by_client_at is None


class ScriptedUpstream:
    """An async context manager. `queue` scripts for the next calls; `choose` overrides; else `default`."""

    def __init__(self, default: Script | None = None, *, models: tuple[str, ...] = (MODEL,), port: int = 0) -> None:
        self.default = default or Script()
        self.choose: Callable[[Call], Script | None] | None = None
        self.models = list(models)
        self.calls: list[Call] = []
        self.model_requests: list[str] = []
        """Method and path of what was asked of single models: deletions, tokenizers."""
        self.model_gate: asyncio.Event | None = None
        """Their answers wait for it."""
        self.trains = True  # it lists its fine-tuning jobs, of which there are none
        self.most_in_flight = 0
        self.tls: ssl.SSLContext | None = None
        """Set before the start: speak TLS."""
        self._in_flight = 0
        self._port = port
        self._queue: deque[Script] = deque()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Base URL, ending in `/v1`."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._port}/v1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def queue(self, *scripts: Script) -> None:
        """The next calls follow these scripts, one each."""
        self._queue.extend(scripts)

    def calls_for(self, prompt: str) -> list[Call]:
        """Return the calls made with exactly this prompt."""
        return [call for call in self.calls if prompt_of(call.body) == prompt]

    async def start(self) -> None:
        """Listen; on the same port as before after a `stop`."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_delete("/v1/models/{id}", self._delete_model)
        app.router.add_get("/v1/models/{id}/tokenizer", self._refuse_tokenizer)
        app.router.add_get("/v1/fine_tuning/jobs", self._list_jobs)
        for path in ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/moderations", "/tokenize"):
            app.router.add_post(path, self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096, ssl_context=self.tls)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _list_models(self, _request: web.Request) -> web.Response:
        data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "tests"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _list_jobs(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []}, status=200 if self.trains else 404)

    async def _note_model_request(self, request: web.Request) -> None:
        self.model_requests.append(f"{request.method} {request.path}")
        if self.model_gate is not None:
            await self.model_gate.wait()

    async def _delete_model(self, request: web.Request) -> web.Response:
        await self._note_model_request(request)
        return web.json_response({"id": request.match_info["id"], "object": "model", "deleted": True})

    async def _refuse_tokenizer(self, request: web.Request) -> web.Response:
        await self._note_model_request(request)
        return web.json_response({"error": {"message": "unknown", "type": "scripted"}}, status=404)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(len(self.calls), request.path, await request.json(), dict(request.headers))
        self.calls.append(call)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        script = (self.choose and self.choose(call)) or (self._queue.popleft() if self._queue else self.default)
        try:
            response = await self._answer(request, call, script)
            call.ended_at = time.monotonic()
        except (asyncio.CancelledError, ConnectionResetError):
            call.closed_by_client_at = time.monotonic()
            raise
        else:
            return response
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, call: Call, script: Script) -> web.StreamResponse:
        if script.delay_seconds:
            await asyncio.sleep(script.delay_seconds)
        if script.gate is not None and script.tokens_before_gate == 0:
            await script.gate.wait()
        call.status = script.status
        headers = {"x-request-id": f"upstream-{call.number}", **script.headers}
        if script.sends_raw_body(is_stream=bool(call.body.get("stream"))):
            call.first_byte_at = time.monotonic()
            named = {**headers, "content-type": script.content_type}
            return web.Response(body=script.raw_body, status=script.status, headers=named)
        if script.status != 200:
            call.first_byte_at = time.monotonic()
            return web.json_response({"error": script.error}, status=script.status, headers=headers)
        if call.body.get("stream") or script.raw_chunks is not None:
            return await self._stream(request, call, script, headers)
        call.first_byte_at = time.monotonic()
        if script.cut_after_tokens is not None:
            cut_connection(request)
        return web.json_response(build_answer(call, script), headers=headers)

    async def _stream(
        self, request: web.Request, call: Call, script: Script, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", **headers})
        await response.prepare(request)
        if script.raw_chunks is not None:
            for chunk in script.raw_chunks:
                await response.write(chunk)
            if script.holds_back is not None:
                await script.holds_back.wait()
        else:
            await self._write_tokens(request, response, call, script)
        with suppress(ConnectionResetError):  # the client need not wait for the end after [DONE]
            await response.write_eof()
        return response

    async def _write_tokens(
        self, request: web.Request, response: web.StreamResponse, call: Call, script: Script
    ) -> None:
        tokens, finish_reason = script.tokens_for(call.body)
        begun = time.monotonic()
        for index, token in enumerate(tokens):
            if index == script.cut_after_tokens:
                return await self._break_off(request, response, script)
            if script.gate is not None and index == script.tokens_before_gate:
                await script.gate.wait()
            if script.tokens_per_second:
                await asyncio.sleep(max(0.0, begun + index / script.tokens_per_second - time.monotonic()))
            extra = script.extra if index == 0 else None
            await response.write(encode_event(build_chunk(call, token, None, extra)))
            call.tokens_sent += 1
            call.first_byte_at = call.first_byte_at or time.monotonic()
        await response.write(encode_event(build_chunk(call, "", finish_reason, None)))
        if script.sends_usage and (call.body.get("stream_options") or {}).get("include_usage"):
            await response.write(encode_event(build_usage_chunk(call, len(tokens))))
        if script.sends_done:
            await response.write(b"data: [DONE]\n\n")
        return None

    async def _break_off(self, request: web.Request, response: web.StreamResponse, script: Script) -> None:
        if script.error is not None:
            await response.write(encode_event({"error": script.error}))
        else:
            cut_connection(request)


def cut_connection(request: web.Request) -> None:
    """Close the socket as a crashed provider does."""
    if request.transport is not None:
        request.transport.abort()


def encode_event(body: dict[str, Any]) -> bytes:
    """Return one SSE event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def build_usage(call: Call, completion_tokens: int) -> dict[str, int]:
    """Return OpenAI's usage object; a prompt token is two characters."""
    counts = {"prompt_tokens": len(prompt_of(call.body)) // 2 + 1, "completion_tokens": completion_tokens}
    return {**counts, "total_tokens": sum(counts.values())}


def build_frame(call: Call, choices: list[dict[str, Any]], suffix: str = "") -> dict[str, Any]:
    """Return what every answer and chunk shares."""
    kind = "chat.completion" if call.is_chat else "text_completion"
    return {
        "id": f"cmpl-{call.number}",
        "object": kind + (suffix if call.is_chat else ""),
        "created": CREATED,
        "model": call.body.get("model"),
        "choices": choices,
    }


def build_chunk(call: Call, token: str, finish_reason: str | None, extra: dict[str, Any] | None) -> dict[str, Any]:
    """Return one chunk of a stream."""
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish_reason}
    if call.is_chat:
        choice["delta"] = {**({"content": token} if token else {}), **(extra or {})}
    else:
        choice["text"] = token
    return build_frame(call, [choice], ".chunk")


def build_usage_chunk(call: Call, completion_tokens: int) -> dict[str, Any]:
    """Return the last chunk of a stream with `include_usage`."""
    return build_frame(call, [], ".chunk") | {"usage": build_usage(call, completion_tokens)}


def build_answer(call: Call, script: Script) -> dict[str, Any]:
    """Return a whole answer."""
    tokens, finish_reason = script.tokens_for(call.body)
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish_reason}
    if call.is_chat:
        choice["message"] = {"role": "assistant", "content": "".join(tokens), **(script.extra or {})}
    else:
        choice |= {"text": "".join(tokens), **(script.extra or {})}
    call.tokens_sent = len(tokens)
    return build_frame(call, [choice]) | ({"usage": build_usage(call, len(tokens))} if script.sends_usage else {})


async def serve_for_ever(port: int, script: Script) -> None:
    """Run until killed."""
    async with ScriptedUpstream(script, port=port) as upstream:
        print(upstream.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve one script for every call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-seconds", type=float, default=0.0)
    parser.add_argument("--tokens-per-second", type=float)
    arguments = parser.parse_args()
    script = Script(delay_seconds=arguments.delay_seconds, tokens_per_second=arguments.tokens_per_second)
    asyncio.run(serve_for_ever(arguments.port, script))


if __name__ == "__main__":
    main()
