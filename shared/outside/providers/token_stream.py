"""A provider's token stream, read from raw bytes as they arrive. Knows no sockets: it is given a read function."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from shared.outside.providers.border.answers import Kind, LlmDelta
from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.border.usage import Usage
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import LlmError
from shared.outside.providers.transport_failures import translated_failures


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
        self._read = read
        self._provider = provider
        self._reader = DeltaReader(kind, headers)
        self.request_id = request_id
        self.headers = headers

    @property
    def finish_reason(self) -> str | None:
        """Why the text ended, in OpenAI's word where the provider's is known."""
        return self._reader.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The provider's counts."""
        return self._reader.usage

    @property
    def model(self) -> str | None:
        """The model that the provider says it used; empty if it said nothing, None before it said anything."""
        return self._reader.model

    @property
    def told(self) -> dict[str, str]:
        """What the answer says of itself: `system_fingerprint`, `service_tier`."""
        return self._reader.told

    @property
    def done(self) -> bool:
        """Whether `[DONE]` was read: all that is left is the end of the body."""
        return self._reader.done

    async def __aiter__(self) -> AsyncIterator[LlmDelta]:
        """Yield deltas until `[DONE]` or the end of the body.

        Raises: LlmError: timeout; cut_connection, also when the stream ends with neither a finish reason nor `[DONE]`
        (an SDK would take that for success) or the provider says that it broke off; empty; malformed; or what an error
        object in the stream says.
        """
        reader = self._reader
        while not reader.done and (chunk := await self._read_chunk()):
            for delta in reader.feed(chunk):
                yield delta
        for delta in reader.finish():
            yield delta
        if (fault := reader.find_fault()) is not None:
            raise fault

    async def _read_chunk(self) -> bytes:
        """Return what has arrived, waiting if nothing has; empty at the end. A break after the finish reason is an
        end like any other: nothing of worth can follow."""
        provider, reader = self._provider, self._reader
        try:
            with translated_failures():
                async with asyncio.timeout(
                    provider.idle_timeout_seconds if reader.has_begun else provider.first_byte_timeout_seconds
                ):
                    return await self._read()
        except LlmError:
            if reader.finish_reason is not None:
                return b""
            raise
