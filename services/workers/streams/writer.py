"""The worker's side of every stream of a process: one flusher sends what all of them have, once a tick.

Writing never waits for Redis: while it is away text gathers in the handles, and goes out when it is back.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from services.workers.streams.append_script import (
    APPEND,
    APPEND_KEYS,
    APPEND_SHA,
    FENCED,
    RENEW_LEASE,
    RENEW_LEASE_SHA,
    Entry,
)
from services.workers.streams.handle import StreamHandle
from services.workers.streams.lease import renew_leases
from shared.cancellation import cancel_tasks
from shared.contracts.stream.names import lease_key
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY

MAX_STREAMS_PER_PIPELINE = 256
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 1.0
STOP_SECONDS = 2.0

log = get_logger(__name__)


Answer = bytes | Exception


class StreamWriter:
    """Sends the frames of all open streams of a process. `tick_seconds` 0 sends each text as it comes."""

    def __init__(
        self, redis: Redis, *, tick_seconds: float = 0.02, flush_bytes: int = 2048, lease_seconds: float = 10.0
    ) -> None:
        self._redis = redis
        self._renew_seconds = lease_seconds / 5
        self._lease_ms = int(lease_seconds * 1000)
        self._tick_seconds = tick_seconds
        self._flush_bytes = flush_bytes
        self._open: dict[str, StreamHandle] = {}
        self._due: set[StreamHandle] = set()
        self._waiting: set[StreamHandle] = set()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._next_tick = 0.0
        self._retry_seconds = 0.0
        self._scripts_loaded = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the flusher and the renewal of leases on the running loop."""
        self._tasks = [
            asyncio.create_task(self._run_flusher(), name="stream-flusher"),
            asyncio.create_task(self._run_renewal(), name="stream-leases"),
        ]

    async def stop(self) -> None:
        """Send what is left, for two seconds at most, and stop."""
        handles = list(self._open.values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(*(handle.flush() for handle in handles), return_exceptions=True)
        await cancel_tasks(self._tasks)
        if self._timer is not None:
            self._timer.cancel()

    def open(self, stream_id: str, attempt: int) -> StreamHandle:
        """Return the handle of a stream that this process has claimed as `attempt`; its lease is renewed from now
        on. The handle leaves by `end` or `abandon`."""
        handle = StreamHandle(
            stream_id, attempt, flush_bytes=self._flush_bytes, wake=self._note_work, forget=self._forget
        )
        self._open[stream_id] = handle
        self._note_work(handle, True)
        return handle

    def _forget(self, handle: StreamHandle) -> None:
        if self._open.get(handle.stream_id) is handle:
            del self._open[handle.stream_id]
        self._due.discard(handle)
        self._waiting.discard(handle)

    def _note_work(self, handle: StreamHandle, is_urgent: bool) -> None:
        if self._open.get(handle.stream_id) is not handle:
            return
        if is_urgent or self._tick_seconds == 0:
            self._due.add(handle)
            self._wake.set()
            return
        self._waiting.add(handle)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._next_tick, loop.time()), self._reach_tick)

    def _reach_tick(self) -> None:
        self._timer = None
        self._next_tick = asyncio.get_running_loop().time() + self._tick_seconds
        self._due |= self._waiting
        self._waiting.clear()
        self._wake.set()

    async def _run_flusher(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            due = list(self._due)
            self._due.clear()
            for start in range(0, len(due), MAX_STREAMS_PER_PIPELINE):
                await self._flush(due[start : start + MAX_STREAMS_PER_PIPELINE])
            if self._retry_seconds:
                await asyncio.sleep(self._retry_seconds)

    async def _flush(self, handles: Sequence[StreamHandle]) -> None:
        try:
            now = asyncio.get_running_loop().time()
            leases = [handle for handle in handles if not handle.lease_taken]
            batch = [(handle, entry) for handle in handles for entry in handle.collect(now)]
            answers = await self._send(leases, batch)
            failure = self._settle_leases(leases, answers) or self._settle_entries(batch, answers[len(leases) :])
        except STORE_AWAY as error:
            failure = error
        except Exception as error:
            # A defect in one frame must not silence every stream of this process.
            log.exception("stream_flush_failed")
            failure = error
        self._note_outcome(failure)
        for handle in handles:
            if handle.has_work:
                self._note_work(handle, handle.is_behind)

    async def _send(
        self, leases: Sequence[StreamHandle], batch: Sequence[tuple[StreamHandle, Entry]]
    ) -> Sequence[Answer]:
        pipeline = self._redis.pipeline(transaction=False)
        preamble = 0 if self._scripts_loaded else 2
        if preamble:
            pipeline.script_load(APPEND)
            pipeline.script_load(RENEW_LEASE)
        for handle in leases:
            pipeline.evalsha(RENEW_LEASE_SHA, 1, lease_key(handle.stream_id), handle.attempt, self._lease_ms)
        for handle, entry in batch:
            pipeline.evalsha(APPEND_SHA, APPEND_KEYS, *entry.build_call(handle.stream_id))
        answers: list[Answer] = await pipeline.execute(raise_on_error=False)
        self._scripts_loaded = True
        return answers[preamble:]

    def _settle_leases(self, leases: Sequence[StreamHandle], answers: Sequence[Answer]) -> Exception | None:
        for handle, answer in zip(leases, answers, strict=False):
            if isinstance(answer, Exception):
                return answer
            handle.lease_taken = True
            if answer == FENCED:
                handle.mark_fenced()
        return None

    def _settle_entries(
        self, batch: Sequence[tuple[StreamHandle, Entry]], answers: Sequence[Answer]
    ) -> Exception | None:
        failure = None
        for (handle, entry), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                failure = answer
            else:
                handle.settle(entry, answer)
        return failure

    def _note_outcome(self, failure: Exception | None) -> None:
        if failure is None:
            if self._retry_seconds:
                log.info("stream_writes_recovered")
            self._retry_seconds = 0.0
            return
        if isinstance(failure, NoScriptError) and self._scripts_loaded:
            # Redis was restarted and has forgotten the scripts: not an outage, send again at once.
            self._scripts_loaded = False
            return
        if not self._retry_seconds:
            log.warning("stream_writes_failing", error=str(failure))
        self._scripts_loaded = False
        self._retry_seconds = min(LONGEST_RETRY_SECONDS, self._retry_seconds * 2 or FIRST_RETRY_SECONDS)

    async def _run_renewal(self) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            try:
                attempts = {handle.stream_id: handle.attempt for handle in self._open.values()}
                for stream_id in await renew_leases(self._redis, attempts, self._lease_ms):
                    if (handle := self._open.get(stream_id)) is not None:
                        handle.mark_fenced()
            except STORE_AWAY as error:
                log.warning("stream_leases_not_renewed", error=str(error))
            except Exception:  # a defect of ours must not end the renewal
                log.exception("stream_leases_not_renewed")
