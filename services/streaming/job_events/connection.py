"""One socket that follows one fine-tuning job: OpenAI's event objects in their order, from a cursor on, then the end.
A `Client` of the registry. What the client sends is ignored."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import orjson

from services.streaming.sockets import close_codes
from services.streaming.sockets.connection import Receive
from services.streaming.sockets.messages import encode_message
from services.streaming.sockets.transport import SocketTransport
from services.streaming.wiring import Streaming
from shared.auth.key_watch import tell_end
from shared.auth.principal import Principal
from shared.cancellation import cancel_tasks
from shared.errors import NotFoundError
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.fine_tuning_events import find_event_position
from shared.stores.db.repositories.fine_tuning_jobs import find_job
from shared.streams.job_events.feed import follow_events, shape_event

HEARTBEAT = {"object": "heartbeat"}

log = get_logger(__name__)


class JobConnection:
    """Sends a job's events as fast as the client reads; nothing is gathered for one that does not."""

    def __init__(
        self,
        streaming: Streaming,
        job_id: str,
        after: str | None,
        principal: Principal,
        bearer: str | None,
        transport: SocketTransport,
    ) -> None:
        del bearer  # nothing is asked of the gateway in the client's name
        self.written_at = asyncio.get_running_loop().time()
        self.writing_since: float | None = None
        self._streaming = streaming
        self._job_id = job_id
        self._after = after
        self._principal = principal
        self._transport = transport
        self._room = asyncio.Event()
        transport.on_writable = self._room.set

    def send_heartbeat(self) -> None:
        """Say that we are still there."""
        self._write(HEARTBEAT)

    def drop_slow(self) -> None:
        """End a client that does not read; it may come back with its last event's id."""
        self._transport.close_with(close_codes.TOO_SLOW, "too slow: come back with ?after=")

    def announce_close(self, in_ms: int) -> None:
        """Tell the client that the server stops."""
        self._write({"object": "go_away", "in_ms": in_ms})

    def close_for_restart(self) -> None:
        """Close because the server stops."""
        self._transport.close_with(close_codes.RESTART, "server restart")

    def end_with_key(self) -> None:
        """End the conversation: its key was revoked, or its session ended."""
        self._transport.close_with(close_codes.AUTHENTICATION, tell_end(self._principal))

    async def run(self, receive: Receive) -> None:
        """Follow the job until it is over or the client leaves."""
        following = asyncio.create_task(self._follow(), name="follow-job")
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            await cancel_tasks([following])

    async def _follow(self) -> None:
        try:
            await self._send_events(await self._find_start())
        except NotFoundError as error:
            self._transport.close_with(close_codes.NOT_FOUND, error.message[:120])
        except STORE_AWAY as error:
            log.error("store_unreachable", error=str(error).splitlines()[0])
            self._transport.close_with(close_codes.RESTART, "come back in a moment")

    async def _find_start(self) -> int:
        """Return the position of the cursor. Raises: NotFoundError for the job or the cursor."""
        async with self._streaming.database.transaction() as session:
            if await find_job(session, self._principal.project_id, self._job_id) is None:
                raise NotFoundError(f"No fine-tuning job '{self._job_id}'.")
            if self._after is None:
                return 0
            position = await find_event_position(session, self._job_id, self._after)
        if position is None:
            raise NotFoundError(f"The job has no event '{self._after}'.")
        return position

    async def _send_events(self, position: int) -> None:
        feed = follow_events(self._streaming.database, self._streaming.job_watch, self._job_id, position)
        async with aclosing(feed) as batches:
            async for events in batches:
                for event in events:
                    await self._wait_for_room()
                    self._write(shape_event(event))
        async with self._streaming.database.transaction() as session:
            job = await find_job(session, self._principal.project_id, self._job_id)
        status = job.status if job else None
        self._write({"object": "fine_tuning.job.end", "id": self._job_id, "status": status})
        self._transport.close_with(close_codes.NORMAL, "the job is over")

    async def _wait_for_room(self) -> None:
        self._room.clear()
        if not self._transport.has_room:
            self.writing_since = asyncio.get_running_loop().time()
            await self._room.wait()
            self.writing_since = None

    def _write(self, message: Mapping[str, Any]) -> None:
        if not self._transport.is_closing:
            self._transport.write_message(encode_message(orjson.dumps(message)))
            self.written_at = asyncio.get_running_loop().time()
