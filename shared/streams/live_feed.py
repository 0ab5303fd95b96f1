"""The one pub/sub connection of a process: subscriptions with acknowledgement, and its own reconnects.

A message lost while the connection is away is the hub's to find: `on_reconnect` tells it when to look.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.cancellation import cancel_tasks
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.redis.connection import open_redis

BATCH_SIZE = 500
"""Channels in one SUBSCRIBE: after a reconnect thousands are due, and Redis should serve others in between."""
PING_SECONDS = 10.0
SILENCE_SECONDS = 20.0
"""Without a sound for this long, pings included, the connection is taken for dead."""
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 1.0

log = get_logger(__name__)


class LiveFeed:
    """Delivers each message of the subscribed channels to `on_message(channel, payload)`, in order."""

    def __init__(
        self, redis_url: str, on_message: Callable[[bytes, bytes], None], on_reconnect: Callable[[], None]
    ) -> None:
        self._pool = open_redis(redis_url, max_connections=1).connection_pool
        self._on_message = on_message
        self._on_reconnect = on_reconnect
        self._wanted: set[bytes] = set()
        self._acknowledged: set[bytes] = set()
        self._waiters: dict[bytes, asyncio.Future[None]] = {}
        self._joining: set[bytes] = set()
        self._leaving: set[bytes] = set()
        self._changed = asyncio.Event()
        self._heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect in the background, and again whenever the connection is lost."""
        self._task = asyncio.create_task(self._run(), name="live-feed")

    async def stop(self) -> None:
        """Close the connection; subscriptions in progress are cancelled."""
        await cancel_tasks([self._task])
        for waiter in self._waiters.values():
            waiter.cancel()

    async def subscribe(self, channel: str) -> None:
        """Return once Redis has acknowledged: messages published from now on are delivered. Waits out outages."""
        name = channel.encode()
        self._wanted.add(name)
        self._leaving.discard(name)
        if name in self._acknowledged:
            return
        waiter = self._waiters.get(name)
        if waiter is None:
            waiter = self._waiters[name] = asyncio.get_running_loop().create_future()
            self._joining.add(name)
            self._changed.set()
        await asyncio.shield(waiter)

    def unsubscribe(self, channel: str) -> None:
        """Stop delivering a channel."""
        name = channel.encode()
        self._wanted.discard(name)
        self._acknowledged.discard(name)
        self._joining.discard(name)
        if (waiter := self._waiters.pop(name, None)) is not None:
            waiter.cancel()
        self._leaving.add(name)
        self._changed.set()

    async def _run(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._serve_connection()
                pause = FIRST_RETRY_SECONDS
            except STORE_AWAY as error:
                log.warning("live_feed_lost", error=str(error), channels=len(self._wanted))
            except Exception:
                log.exception("live_feed_failed")
            await asyncio.sleep(pause)
            pause = min(LONGEST_RETRY_SECONDS, pause * 2)

    async def _serve_connection(self) -> None:
        """Hold one connection until it is lost."""
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self._heard_at = asyncio.get_running_loop().time()
            self._resubscribe()
            await self._run_until_lost(connection)
        finally:
            self._acknowledged.clear()
            await connection.disconnect(nowait=True)

    async def _run_until_lost(self, connection: AbstractConnection) -> None:
        tasks = [
            asyncio.create_task(self._read(connection)),
            asyncio.create_task(self._send_changes(connection)),
            asyncio.create_task(self._ping(connection)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            await cancel_tasks(tasks)

    def _resubscribe(self) -> None:
        self._leaving.clear()
        self._joining = set(self._wanted)
        if self._wanted:
            self._on_reconnect()
        self._changed.set()

    async def _read(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            reply = await connection.read_response(timeout=math.inf)
            self._heard_at = loop.time()
            match reply:
                case [b"message", channel, payload]:
                    self._on_message(channel, payload)
                case [b"subscribe", channel, _]:
                    self._acknowledge(channel)

    def _acknowledge(self, channel: bytes) -> None:
        if channel not in self._wanted:
            return
        self._acknowledged.add(channel)
        waiter = self._waiters.pop(channel, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _send_changes(self, connection: AbstractConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            leaving, self._leaving = list(self._leaving), set()
            joining, self._joining = list(self._joining), set()
            for command, names in (("UNSUBSCRIBE", leaving), ("SUBSCRIBE", joining)):
                for batch in _split(names):
                    await connection.send_command(command, *batch, check_health=False)

    async def _ping(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PING_SECONDS)
            if loop.time() - self._heard_at > SILENCE_SECONDS:
                raise RedisConnectionError(f"no sound for {SILENCE_SECONDS:g} s")
            await connection.send_command("PING", check_health=False)


def _split(names: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (names[start : start + BATCH_SIZE] for start in range(0, len(names), BATCH_SIZE))
