"""The OpenAI protocol over one HTTP session: whole answers and token streams, for the workers.

Speaks the wire directly (an eighth of the CPU of the SDK per call). It never retries: the worker decides.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from shared.contracts.text_orders import is_asked_whole
from shared.outside.network.clients import OutgoingHttp
from shared.outside.providers.border.answers import Kind, LlmAnswer, ResultKind, request_id
from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.border.model_list import ListedModel, read_model_list
from shared.outside.providers.border.whole_answers import find_whole_answer, parse_answer
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.dialects import Dialects
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.token_stream import TokenStream
from shared.outside.providers.transport_failures import translated_failures

PATHS: Final[dict[Kind | ResultKind, str]] = {
    "completion": "/completions",
    "chat": "/chat/completions",
    "embedding": "/embeddings",
    "moderation": "/moderations",
}
MOST_RESULT_BYTES: Final = 256 * 1024 * 1024
"""Of an answer without text: 2,048 vectors of 3,072 numbers, each spelled out, are half of it."""
CONNECTION_LIMIT: Final = 4096
"""Sockets per process. The default of 100 would be a hidden limit on calls in flight."""
KEEPALIVE_SECONDS: Final = 4.0
"""Shorter than the 5 s after which uvicorn closes an idle connection: a closed one costs a failed call."""
DRAIN_SECONDS: Final = 0.05
"""After `[DONE]` the end of the body is due; waiting for it lets the connection serve the next call."""


class LlmClient:
    """One per process; all calls share its connections."""

    def __init__(self, dialects: Dialects | None = None) -> None:
        self._http: OutgoingHttp | None = None
        self._dialects = dialects or Dialects()
        self._ways: dict[str, tuple[Provider, dict[str, Any]]] = {}

    async def complete(self, target: Target, kind: Kind, body: Mapping[str, Any]) -> LlmAnswer:
        """Ask for a whole answer. `target.model` replaces the body's model.

        Raises: LlmError with its failure class. Cancelling the task closes the socket at once.
        """
        asked = {**body, **target.provider.body, "model": target.model, "stream": False}
        async with self._post(target, kind, asked) as response:
            pieces: list[bytes] = []
            try:
                with translated_failures():
                    while piece := await response.content.readany():
                        pieces.append(piece)
            except LlmError:
                answer = find_whole_answer(kind, b"".join(pieces), response.headers)
                if answer is None:
                    raise
                return answer
            return parse_answer(kind, b"".join(pieces), response.headers)

    @asynccontextmanager
    async def stream(self, target: Target, kind: Kind, body: Mapping[str, Any]) -> AsyncIterator[TokenStream]:
        """Open a token stream; leaving the block closes the socket, whatever is still to come. A body with `stream:
        false` is sent plain (`is_streamed`), and its answer comes in one piece.

        Raises: LlmError, also while the stream is read.
        """
        streamed = is_streamed(target.provider, body)
        asked = {**body, **target.provider.body, "model": target.model, "stream": streamed}
        if streamed and target.provider.stream_usage:
            asked["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        async with self._post(target, kind, asked) as response:
            tokens = TokenStream(
                kind,
                response.content.readany,
                provider=target.provider,
                request_id=request_id(response.headers),
                headers=response.headers,
            )
            yield tokens
            if tokens.done:
                await read_to_end(response)

    async def ask_result(
        self, target: Target, kind: ResultKind, body: Mapping[str, Any]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the bytes and headers of an answer that holds no text. Raises: LlmError with its failure class."""
        response = await self._send(target.provider, kind, {**body, "model": target.model})
        pieces, size = list[bytes](), 0
        try:
            with translated_failures():
                while piece := await response.content.readany():
                    pieces.append(piece)
                    size += len(piece)
                    if size > MOST_RESULT_BYTES:
                        raise LlmError(FailureClass.MALFORMED, f"the answer is over {MOST_RESULT_BYTES >> 20} MiB")
        finally:
            response.close()
        raw = b"".join(pieces)
        if response.status != 200:
            raise error_from_response(response.status, raw, response.headers)
        return raw, response.headers

    async def list_models(self, provider: Provider, timeout_seconds: float) -> list[ListedModel]:
        """Return the models of the provider's `/models`. Raises: LlmError when it does not answer with a list."""
        return read_model_list(await self.fetch(provider, "/models", timeout_seconds))

    async def fetch(self, provider: Provider, path: str, timeout_seconds: float) -> bytes:
        """Return what lies at `path` below the provider's base URL. Raises: LlmError, also for any status but 200."""
        return await self._ask(provider, "GET", f"{provider.base_url}{path}", timeout_seconds)

    async def ask_server(
        self, provider: Provider, method: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float
    ) -> bytes:
        """Return what the provider's server answers at `path` beside its `/v1`. Raises: LlmError, also for any status
        but 200."""
        url = f"{provider.base_url.removesuffix('/v1')}{path}"
        return await self._ask(provider, method, url, timeout_seconds, None if body is None else encode_request(body))

    async def delete_model(self, target: Target, timeout_seconds: float) -> None:
        """Delete a tuned model at its provider. Raises: LlmError when it does not confirm."""
        url = f"{target.provider.base_url}/models/{quote(target.model, safe=':')}"
        await self._ask(target.provider, "DELETE", URL(url, encoded=True), timeout_seconds)

    async def close(self) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close()

    async def _ask(
        self, provider: Provider, method: str, url: URL | str, timeout_seconds: float, data: bytes | None = None
    ) -> bytes:
        """Return the body of an answer to a small question. Raises: LlmError, also for any status but 200."""
        with translated_failures():
            async with (
                asyncio.timeout(timeout_seconds),
                await self._open_http().request(method, url, data=data, **self._find_way(provider)) as response,
            ):
                raw = await response.read()
        if response.status != 200:
            raise error_from_response(response.status, raw, response.headers)
        return raw

    @asynccontextmanager
    async def _post(self, target: Target, kind: Kind, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer once it has begun with status 200. A refusal of a word that has another one is no answer
        yet: it cost nothing, and the request is sent once more."""
        said = await self._dialects.begin(target)
        while True:
            asked = said.translate(body)
            response = await self._send(target.provider, kind, asked)
            try:
                if response.status == 200:
                    await said.confirm()
                    yield response
                    return
                with translated_failures():
                    raw = await response.read()
                error = said.take_refusal(error_from_response(response.status, raw, response.headers), asked)
                if error is not None:
                    raise error
            finally:
                # Not `release`: that may leave the socket open, and the provider writing on at our cost.
                response.close()

    async def _send(
        self, provider: Provider, kind: Kind | ResultKind, asked: Mapping[str, Any]
    ) -> aiohttp.ClientResponse:
        """Return the answer once its head is there. Raises: LlmError when there is none."""
        data = encode_request(asked)
        with translated_failures():
            async with asyncio.timeout(provider.first_byte_timeout_seconds if asked.get("stream") else None):
                return await self._open_http().request(
                    "POST", provider.base_url + PATHS[kind], data=data, **self._find_way(provider)
                )

    def _find_way(self, provider: Provider) -> dict[str, Any]:
        """Return what every request to a provider goes with, worked out once for as long as its settings hold."""
        known, way = self._ways.get(provider.name, (None, {}))
        if known is not provider:
            way = describe_way(provider)
            self._ways[provider.name] = provider, way
        return way

    def _open_http(self) -> OutgoingHttp:
        """Return the session, made on first use: it belongs to the running loop."""
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=None)
            self._http = OutgoingHttp.open(timeout, limit=CONNECTION_LIMIT, keepalive_timeout=KEEPALIVE_SECONDS)
        return self._http


def is_streamed(provider: Provider, body: Mapping[str, Any]) -> bool:
    """Say whether a stream is asked for: unless the body forbids it; of our own engine always, which streams better: a
    text that is broken off keeps what came of it."""
    return provider.is_neighbour or not is_asked_whole(body)


async def read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read on to the end of the body, for a moment, so that the connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass


def describe_way(provider: Provider) -> dict[str, Any]:
    """Return what every request to a provider goes with."""
    return {
        "headers": build_headers(provider),
        "timeout": aiohttp.ClientTimeout(total=provider.timeout_seconds, sock_connect=provider.connect_timeout_seconds),
        "direct": provider.is_neighbour,
        "ca_file": provider.ca_file,
    }


def build_headers(provider: Provider) -> dict[str, str]:
    """Return the headers of every call. No compression: it would hold tokens back."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "storymill"}
    if provider.api_key:
        headers["Authorization"] = f"Bearer {provider.api_key}"
    replaced = {name.lower() for name, _ in provider.headers}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | dict(provider.headers)


def encode_request(body: Mapping[str, Any]) -> bytes:
    """Return a request's bytes. Raises: LlmError (invalid request) for what is no JSON, and was not sent."""
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise LlmError(FailureClass.INVALID_REQUEST, f"the request cannot be written as JSON: {error}") from error
