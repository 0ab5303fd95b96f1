"""The writing side of one socket: what is due goes out as one message; while the client does not read, nothing is
gathered for it but the cursors of its viewers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from shared.stream.frames import ServerFrame, encode
from shared.stream.viewer import Viewer

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_DUE_FRAMES = 1000
"""Answers to a client that asks without reading; more is abuse and they are dropped."""


class Outbox:
    """Sends control frames and the news of viewers, in one task, as fast as the client reads."""

    def __init__(self, send: Send, on_ended: Callable[[Viewer], None]) -> None:
        self.written_at = asyncio.get_running_loop().time()
        self.writing_since: float | None = None
        self._send = send
        self._on_ended = on_ended
        self._due: list[str] = []
        self._ringing: dict[Viewer, None] = {}
        self._bell: asyncio.Future[None] | None = None
        self._close: tuple[int, str] | None = None

    def put(self, frame: ServerFrame) -> None:
        """Send a control frame."""
        if len(self._due) < MAX_DUE_FRAMES:
            self._due.append(encode(frame).decode())
        self._ring()

    def watch(self, viewer: Viewer) -> None:
        """Send what the viewer gets, from now on."""

        def note_news() -> None:
            self._ringing[viewer] = None
            if self._bell is not None:
                self._ring()

        viewer.on_news = note_news
        note_news()

    def forget(self, viewer: Viewer) -> None:
        """Send nothing more of a viewer."""
        viewer.on_news = None
        self._ringing.pop(viewer, None)

    def close(self, code: int, reason: str = "") -> None:
        """Close the socket after what is due."""
        self._close = self._close or (code, reason)
        self._ring()

    async def run(self) -> None:
        """Write until closed."""
        loop = asyncio.get_running_loop()
        while True:
            message = self._collect()
            if message is not None:
                self.writing_since = loop.time()
                await self._send({"type": "websocket.send", "text": message})
                self.writing_since = None
                self.written_at = loop.time()
            elif self._close is not None:
                code, reason = self._close
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return
            else:
                self._bell = loop.create_future()
                await self._bell
                self._bell = None

    def _collect(self) -> str | None:
        """Return everything that is due as one message: an object, or an array of several."""
        texts, self._due = self._due, []
        count = len(texts)
        ringing, self._ringing = self._ringing, {}
        for viewer in ringing:
            for packet in viewer.take():
                texts.append(packet.json_text)
                count += len(packet.frames)
            if viewer.has_ended:
                self._on_ended(viewer)
        if not texts:
            return None
        return texts[0] if count == 1 else f"[{','.join(texts)}]"

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
