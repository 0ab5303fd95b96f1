"""A provider's token stream, read from raw bytes as they arrive. Knows no sockets: it is given a read function."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

from shared.outside.providers.border.answers import Kind, LlmDelta, Usage, parse_chunk
from shared.outside.providers.border.sse import EventTooLargeError, SseParser
from shared.outside.providers.border.text_joiner import TextJoiner
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.transport_failures import translated_failures

DONE = b"[DONE]"


class TokenStream:
    """Iterate once over its deltas; afterwards `finish_reason`, `usage` and `model` hold what was told."""

    def __init__(
        self,
        kind: Kind,
        read: Callable[[], Awaitable[bytes]],
        *,
        provider: Provider,
        request_id: str | None,
        headers: Mapping[str, str],
    ) -> None:
        self._kind: Kind = kind
        self._read = read
        self._provider = provider
        self.request_id = request_id
        self.headers = headers
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.model: str | None = None
        self.done = False
        """Whether `[DONE]` was read: all that is left is the end of the body."""
        self._joiner = TextJoiner()

    async def __aiter__(self) -> AsyncIterator[LlmDelta]:
        """Yield deltas until `[DONE]` or the end of the body.

        Raises: LlmError: timeout; cut_connection, also when the stream ends without a finish reason (an SDK
        would take that for success); malformed; or what an error object in the stream says.
        """
        parser = SseParser()
        while chunk := await self._read_chunk():
            for name, data in self._split(parser, chunk):
                if data == DONE:
                    self.done = True
                    break
                yield self._take(name, data)
            if self.done:
                break
        for name, data in [] if self.done else parser.finish():
            if data != DONE:
                yield self._take(name, data)
        if half := self._joiner.finish():
            yield LlmDelta(half)
        if self.finish_reason is None:
            raise LlmError(
                FailureClass.CUT_CONNECTION,
                "the provider's stream ended without a finish reason",
                request_id=self.request_id,
            )

    async def _read_chunk(self) -> bytes:
        """Return what has arrived, waiting if nothing has; empty at the end. A break after the finish reason is an
        end like any other: nothing of worth can follow."""
        provider = self._provider
        begun = self.model is not None or self.finish_reason is not None
        try:
            with translated_failures():
                async with asyncio.timeout(
                    provider.idle_timeout_seconds if begun else provider.first_byte_timeout_seconds
                ):
                    return await self._read()
        except LlmError:
            if self.finish_reason is not None:
                return b""
            raise

    def _split(self, parser: SseParser, chunk: bytes) -> list[tuple[str | None, bytes]]:
        try:
            return parser.feed(chunk)
        except EventTooLargeError as error:
            raise LlmError(FailureClass.MALFORMED, str(error), request_id=self.request_id) from error

    def _take(self, name: str | None, data: bytes) -> LlmDelta:
        delta = parse_chunk(self._kind, data, self.headers, is_error=name == "error")
        if delta.has_halves or self._joiner.holds_half:
            delta = replace(delta, text=self._joiner.join(delta.text), has_halves=False)
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage
        self.model = delta.model or self.model or ""
        return delta
