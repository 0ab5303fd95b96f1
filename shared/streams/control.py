"""Cancels on their way from a gateway or streaming process to the worker that owns the stream."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson
from redis.asyncio import Redis

from shared.cancellation import cancel_tasks
from shared.contracts.stream.names import CONTROL_CHANNEL, cancel_key
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY

CANCEL_KEY_SECONDS = 3600
RECONNECT_SECONDS = 0.5

log = get_logger(__name__)


async def publish_cancel(redis: Redis, stream_id: str) -> None:
    """Ask whoever owns the stream to cancel it; the key tells a worker that claims it later. Raises:
    an error of `STORE_AWAY` when Redis does not take it."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.set(cancel_key(stream_id), "1", ex=CANCEL_KEY_SECONDS)
    pipeline.publish(CONTROL_CHANNEL, orjson.dumps({"cancel": stream_id}))
    await pipeline.execute()


async def is_cancel_requested(redis: Redis, stream_id: str) -> bool:
    """Say whether someone asked to cancel the stream within the last hour."""
    return bool(await redis.exists(cancel_key(stream_id)))


class CancelListener:
    """Calls `on_cancel(stream_id)` for every cancel that anybody publishes. One per worker process.

    A cancel sent while Redis is away is found by the key or the row, not here."""

    def __init__(self, redis: Redis, on_cancel: Callable[[str], Awaitable[None]]) -> None:
        self._redis = redis
        self._on_cancel = on_cancel
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to listen; returns before the subscription stands (see `wait_until_listening`)."""
        self._task = asyncio.create_task(self._run(), name="cancel-listener")

    async def wait_until_listening(self) -> None:
        """Wait until cancels published from now on will be heard."""
        await self._listening.wait()

    async def stop(self) -> None:
        """Stop listening."""
        await cancel_tasks([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except STORE_AWAY:
                pass  # workers find what they miss by the key or the row
            except Exception:  # a defect of ours must not end the listening
                log.exception("cancels_not_heard")
            self._listening.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(CONTROL_CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self._listening.set()
                elif message["type"] == "message":
                    await self._handle(message["data"])

    async def _handle(self, data: bytes) -> None:
        try:
            stream_id = orjson.loads(data)["cancel"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            log.warning("control_message_unreadable", data=data[:100])
            return
        try:
            await self._on_cancel(stream_id)
        except Exception:
            log.exception("cancel_failed", stream=stream_id)
