"""Everybody who is connected: heartbeats for the quiet, an end for those who do not read, farewell when we stop.

One timer for all clients, whatever their number. Knows a client only by what it can be asked to do."""

import asyncio
import random
from typing import Protocol

from services.streaming.settings import StreamingSettings
from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger

TICK_SECONDS = 1.0

log = get_logger(__name__)


class Client(Protocol):
    """A socket or an event stream."""

    @property
    def written_at(self) -> float:
        """Loop time of the last completed write."""

    @property
    def writing_since(self) -> float | None:
        """Loop time at which a write began that is not through yet."""

    def send_heartbeat(self) -> None:
        """Say that we are still there."""

    def drop_slow(self) -> None:
        """End the connection of a client that does not read."""

    def announce_close(self, in_ms: int) -> None:
        """Tell the client that it will be closed."""

    def close_for_restart(self) -> None:
        """Close; the client comes back to another process."""


class ClientRegistry:
    """The clients of a process. `is_draining` is set once it stops taking new ones."""

    def __init__(self) -> None:
        self.is_draining = False
        self.slow_closes = 0
        self._clients: set[Client] = set()
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._clients)

    def add(self, client: Client) -> None:
        """Take note of a client."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)
        self._gone.set()

    async def start(self, settings: StreamingSettings) -> None:
        """Start the one timer."""
        self._task = asyncio.create_task(self._run(settings), name="client-timer")

    async def stop(self) -> None:
        """Stop the timer."""
        await cancel_tasks([self._task])

    async def drain(self, seconds: float) -> None:
        """Send every client away, each at its own moment within `seconds`, so that they do not all arrive at the
        next process at once. Returns when all are gone or the time is up."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        for client in list(self._clients):
            delay = random.uniform(0, seconds)  # noqa: S311 - spreads load, guards nothing
            client.announce_close(round(delay * 1000))
            loop.call_later(delay, client.close_for_restart)
        try:
            async with asyncio.timeout(seconds + TICK_SECONDS):
                while self._clients:
                    self._gone.clear()
                    await self._gone.wait()
        except TimeoutError:
            log.warning("clients_left_at_stop", clients=len(self._clients))

    async def _run(self, settings: StreamingSettings) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            for client in list(self._clients):
                if client.writing_since is not None:
                    if now - client.writing_since > settings.slow_seconds:
                        self.slow_closes += 1
                        client.drop_slow()
                elif now - client.written_at > settings.heartbeat_seconds - TICK_SECONDS:
                    client.send_heartbeat()
