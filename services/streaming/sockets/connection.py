"""One authenticated socket: client frames in, their effects out. The reading side; `SocketWriter` is the other one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from services.streaming.access import get_stored_text
from services.streaming.sockets import close_codes
from services.streaming.sockets.client_frames import (
    Authenticate,
    CancelStream,
    ClientFrame,
    FrameId,
    Pong,
    ProtocolError,
    StartStream,
    Subscribe,
    Unsubscribe,
    read_client_frame,
    read_id,
    read_json,
)
from services.streaming.sockets.socket_writer import SocketWriter
from services.streaming.sockets.starting import StartRefusedError, start_stream
from services.streaming.sockets.subscriptions import Subscriptions
from services.streaming.sockets.transport import SocketTransport
from services.streaming.wiring import Streaming
from shared import ids
from shared.auth.key_watch import tell_end
from shared.auth.principal import WRITE, Principal
from shared.contracts.stream.cursor import START
from shared.contracts.stream.frames import ErrorFrame, GoAway, Heartbeat, Hello
from shared.contracts.stream.stored_text import StoredText
from shared.errors import InvalidRequestError, ServiceUnavailableError, StorymillError
from shared.http.token_bucket import TokenBucket
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.streams.control import publish_cancel
from shared.streams.viewer import Viewer

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BURST_SECONDS = 4
CONNECTION_ID = "conn_"
LOOKED_UP_AT_ONCE: Final = 4
"""Streams of one socket that are asked of the database: its connections are everybody's."""

log = get_logger(__name__)


class SocketConnection:
    """Serves the frames of one client until it leaves or is sent away. A `Client` of the registry."""

    def __init__(
        self,
        streaming: Streaming,
        principal: Principal,
        bearer: str | None,
        transport: SocketTransport,
    ) -> None:
        settings = streaming.settings
        self._streaming = streaming
        self._principal = principal
        self._bearer = bearer
        self._writer = SocketWriter(transport, self._end_viewer)
        self._subscriptions = Subscriptions(streaming.hub, self._writer, settings.max_subscriptions)
        self._bucket = TokenBucket(settings.frames_per_second, settings.frames_per_second * BURST_SECONDS)
        self._jobs: set[asyncio.Task[None]] = set()
        self._looking_up = asyncio.Semaphore(LOOKED_UP_AT_ONCE)

    @property
    def written_at(self) -> float:
        """Loop time of the last completed write."""
        return self._writer.written_at

    @property
    def writing_since(self) -> float | None:
        """Loop time at which a write began that is not through yet."""
        return self._writer.writing_since

    def send_heartbeat(self) -> None:
        """Say that we are still there, and how far each stream was sent."""
        self._writer.put(Heartbeat(round(time.time(), 3), self._subscriptions.tops))

    def drop_slow(self) -> None:
        """End a client that does not read; it may come back and resume."""
        self._writer.drop(close_codes.TOO_SLOW, "too slow: come back and resume")

    def announce_close(self, in_ms: int) -> None:
        """Tell the client that the server stops."""
        self._writer.put(GoAway(in_ms))

    def close_for_restart(self) -> None:
        """Close because the server stops."""
        self._writer.close(close_codes.RESTART, "server restart")

    def end_with_key(self) -> None:
        """End the conversation: its key was revoked, or its session ended."""
        self._writer.drop(close_codes.AUTHENTICATION, tell_end(self._principal))

    def _end_viewer(self, viewer: Viewer) -> None:
        """Forget a stream whose end was sent."""
        self._subscriptions.remove(viewer.stream_id)

    async def run(self, receive: Receive) -> None:
        """Greet, and serve until the client disconnects."""
        settings = self._streaming.settings
        self._writer.put(Hello(ids.new_id(CONNECTION_ID), settings.heartbeat_seconds, settings.max_subscriptions))
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    if message.get("code") in close_codes.FOR_WHAT_IT_SENT:
                        self._streaming.key_pauses.note(self._principal.api_key_id)
                    return
                self._handle_message(message)
        finally:
            for job in self._jobs:
                job.cancel()
            self._subscriptions.clear()

    def _handle_message(self, message: MutableMapping[str, Any]) -> None:
        text = message.get("text")
        if not self._bucket.take():
            self._writer.close(close_codes.TOO_MANY, "too many frames")
            return
        try:
            if text is None:
                raise ProtocolError("binary messages are not of this protocol")
            wire = read_json(text)
            frame_id = read_id(wire)
            try:
                self._handle(read_client_frame(wire), frame_id)
            except StorymillError as error:
                self._refuse(frame_id, error)
        except ProtocolError as error:
            self._writer.close(close_codes.PROTOCOL, str(error))

    def _handle(self, frame: ClientFrame, frame_id: FrameId) -> None:
        match frame:
            case Pong():
                return
            case Unsubscribe():
                stream_id = frame.stream or self._subscriptions.find_stream(frame.id)
                if stream_id is not None:
                    self._subscriptions.remove(stream_id)
            case Authenticate():
                raise InvalidRequestError("This socket is authenticated already.", param="ticket")
            case Subscribe():
                self._spawn(self._subscribe(frame), frame_id)
            case CancelStream():
                self._principal.require(WRITE)
                self._spawn(self._cancel(frame), frame_id)
            case StartStream():
                self._principal.require(WRITE)
                self._spawn(self._start(frame), frame_id)

    def _spawn(self, work: Awaitable[None], frame_id: FrameId) -> None:
        """Do something that waits, while other frames are served."""
        job = asyncio.create_task(self._carry_out(work, frame_id))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _carry_out(self, work: Awaitable[None], frame_id: FrameId) -> None:
        try:
            await work
        except STORE_AWAY as error:
            log.error("store_unreachable", error=str(error))
            self._refuse(frame_id, ServiceUnavailableError("A store of this server is out of reach. Try again."))
        except StorymillError as error:
            self._refuse(frame_id, error)
        except Exception:
            log.exception("client_frame_failed")
            self._refuse(frame_id, StorymillError("The server had an error while processing this frame."))

    def _refuse(self, frame_id: FrameId, error: StorymillError) -> None:
        answer = error.answer if isinstance(error, StartRefusedError) else error.body()["error"]
        self._writer.put(ErrorFrame(frame_id, answer))

    async def _subscribe(self, frame: Subscribe) -> None:
        self._subscriptions.check_room(frame.stream)
        stored = await self._look_up(frame.stream)
        await self._subscriptions.add(frame, stored)

    async def _look_up(self, stream_id: str) -> StoredText:
        async with self._looking_up:
            looking = asyncio.ensure_future(get_stored_text(self._streaming, self._principal, stream_id))
            looking.add_done_callback(take_outcome)
            return await asyncio.shield(looking)  # a query that is cancelled costs its connection to the database

    async def _cancel(self, frame: CancelStream) -> None:
        await self._look_up(frame.stream)
        await publish_cancel(self._streaming.hub.redis, frame.stream)

    async def _start(self, frame: StartStream) -> None:
        stream_id = await start_stream(self._streaming.settings.gateway_url, self._bearer, frame.request)
        await self._subscribe(Subscribe(frame.id, stream_id, START, live_only=False))


def take_outcome(looking: asyncio.Future[StoredText]) -> None:
    """Take what nobody waits for any more."""
    if not looking.cancelled():
        looking.exception()
