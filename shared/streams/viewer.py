"""One viewer of one stream: a cursor and a bell. It holds no frames, however slow its reader is."""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.frames import Frame
from shared.contracts.stream.packet import Packet
from shared.streams.buffer import StreamBuffer


class ViewedStream(Protocol):
    """What a viewer needs of the stream that it looks at."""

    stream_id: str
    buffer: StreamBuffer
    state: str
    state_serial: int
    """Turns with every new `state`."""
    viewers: "set[Viewer]"

    @property
    def state_packet(self) -> Packet:
        """The state as a frame."""

    def remove_viewer(self, viewer: "Viewer") -> None:
        """Forget a viewer that left."""


class Viewer:
    """Made by `StreamHub.attach`. Either iterate (frames, ending after the end), or set `on_news` and call `take`
    when it rings and the transport has room."""

    def __init__(self, stream: ViewedStream, cursor: Cursor, mode: str) -> None:
        self.stream_id = stream.stream_id
        self.cursor = cursor
        self.mode = mode
        """What comes first: `delta`, `snapshot` or `live`."""
        self.on_news: Callable[[], None] | None = None
        self.is_closed = False
        self._stream = stream
        self._state_serial = stream.state_serial
        self._bell: asyncio.Future[None] | None = None
        self._frames: list[Frame] = []
        stream.viewers.add(self)

    @property
    def top(self) -> Cursor:
        """Where the stream stands now."""
        return self._stream.buffer.cursor

    @property
    def state(self) -> str:
        """What the stream is doing: a state, or how it ended."""
        end = self._stream.buffer.end
        return end.state if end is not None else self._stream.state

    @property
    def has_ended(self) -> bool:
        """Say whether the viewer has everything, the end included."""
        return self._stream.buffer.end is not None and self.cursor == self._stream.buffer.cursor

    def take(self) -> list[Packet]:
        """Return what the viewer is missing, and move its cursor over it."""
        stream = self._stream
        packets = []
        if self._state_serial != stream.state_serial:
            self._state_serial = stream.state_serial
            if stream.buffer.end is None:
                packets.append(stream.state_packet)
        packet = stream.buffer.packet_after(self.cursor)
        if packet is not None:
            self.cursor = stream.buffer.cursor
            packets.append(packet)
        return packets

    def ring(self) -> None:
        """Tell the viewer that there is news. For the hub."""
        if self.on_news is not None:
            self.on_news()
        elif self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def close(self) -> None:
        """Leave the stream. Iteration stops; the stream itself goes on."""
        if self.is_closed:
            return
        self.is_closed = True
        self._stream.remove_viewer(self)
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame: text that gathered meanwhile comes as one delta."""
        while not self._frames:
            self._frames = [frame for packet in self.take() for frame in packet.frames]
            if self._frames:
                break
            if self.is_closed or self.has_ended:
                raise StopAsyncIteration
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell
        return self._frames.pop(0)
