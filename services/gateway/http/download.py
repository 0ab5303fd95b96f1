"""A file or an export, sent piece by piece, for as long as its key holds."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.http.event_answer import Leave, ReaderGoneError, Write, relay_until_left, wait_for_leave
from shared.observability.logs import get_logger

log = get_logger(__name__)


class Download(Response):
    """Bytes as a generator gives them. When the key is revoked meanwhile the connection is closed before the end, so
    that no client takes what it has for the whole."""

    def __init__(
        self,
        gateway: Gateway,
        caller: Principal,
        pieces: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.media_type = media_type
        self.init_headers(headers)
        self._hold = gateway.hold(caller)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer. Raises: what the generator raises."""

        async def write(piece: bytes) -> None:
            try:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            except OSError as error:
                raise ReaderGoneError from error

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = await relay_until_left(self._relay, write, wait_for_leave(receive, self._hold))
        if left is None:
            await send({"type": "http.response.body", "body": b""})
        elif left is Leave.KEY_REVOKED:
            log.info("download_ended_with_its_key", path=scope["path"])

    async def _relay(self, write: Write) -> None:
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                await write(piece)
