"""The streams that one socket watches: joined one beside the other, each with its viewer."""

from services.streaming.sockets.client_frames import FrameId, Subscribe
from services.streaming.sockets.socket_writer import SocketWriter
from shared.contracts.stream.cursor import Cursor
from shared.contracts.stream.frames import Subscribed
from shared.contracts.stream.stored_text import StoredText
from shared.errors import InvalidRequestError
from shared.streams.hub import StreamHub
from shared.streams.viewer import Viewer


class Subscriptions:
    """At most `limit` streams at a time. A stream subscribed to again goes on from the new cursor."""

    def __init__(self, hub: StreamHub, writer: SocketWriter, limit: int) -> None:
        self._hub = hub
        self._writer = writer
        self._limit = limit
        self._viewers: dict[str, Viewer] = {}
        self._frames: dict[str, Subscribe] = {}

    @property
    def tops(self) -> dict[str, Cursor]:
        """How far each stream has been sent."""
        return {stream_id: viewer.cursor for stream_id, viewer in self._viewers.items()}

    def check_room(self, stream_id: str) -> None:
        """Raises: InvalidRequestError when one more stream is too many."""
        if stream_id not in self._frames and len(self._frames) >= self._limit:
            raise InvalidRequestError(
                f"This socket watches {self._limit} streams already.", param="stream", code="too_many_subscriptions"
            )

    async def add(self, frame: Subscribe, stored: StoredText) -> None:
        """Join a stream and answer `subd`; its frames follow."""
        self.check_room(frame.stream)
        self.remove(frame.stream)
        self._frames[frame.stream] = frame
        viewer = await self._hub.attach(frame.stream, frame.after, live_only=frame.live_only, stored=stored)
        if self._frames.get(frame.stream) is not frame:
            viewer.close()  # unsubscribed, or subscribed again, while we joined
            return
        top = viewer.cursor if frame.live_only else viewer.top
        self._writer.put(Subscribed(frame.id, frame.stream, viewer.state, top, viewer.mode))
        if viewer.has_ended:
            viewer.close()
            del self._frames[frame.stream]
            return
        self._viewers[frame.stream] = viewer
        self._writer.watch(viewer)

    def find_stream(self, frame_id: FrameId) -> str | None:
        """Return the stream that was subscribed to under an id."""
        return next((stream for stream, frame in self._frames.items() if frame.id == frame_id), None)

    def remove(self, stream_id: str) -> None:
        """Leave a stream."""
        self._frames.pop(stream_id, None)
        viewer = self._viewers.pop(stream_id, None)
        if viewer is not None:
            self._writer.forget(viewer)
            viewer.close()

    def clear(self) -> None:
        """Leave every stream."""
        for stream_id in list(self._frames):
            self.remove(stream_id)
