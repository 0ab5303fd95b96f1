"""What an interactive worker keeps per process: the completions under way, one loop that renews all their leases
and stores their partial texts, and the ear for cancels."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Self

from redis.exceptions import RedisError

from services.workers.interactive.handing_back import HandBackBatch
from services.workers.interactive.running import RunningCompletion, StopReason
from services.workers.interactive.unstarted import cancel_unstarted
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import STREAMS_OPEN
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.completion_claims import RENEW_SECONDS, renew_completions
from shared.streams.control import CancelListener, is_cancel_requested

CHECKPOINT_CHARS: Final = 2048
"""About 4 KiB of mixed text: what a crash may cost to a viewer who has to read from Postgres."""
CHECKPOINT_PAUSE_SECONDS: Final = 0.25

log = get_logger(__name__)


class InteractiveDesk:
    """The completions of this process, by id."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self.hand_back = HandBackBatch(context)
        self._running: dict[str, RunningCompletion] = {}
        self._checkpoint_due = asyncio.Event()
        self._listener = CancelListener(context.redis, self._on_cancel)
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, renewing and listening."""
        desk = cls(context)
        await desk._listener.start()
        desk._spawn(desk._run_renewal())
        return desk

    async def wait_until_listening(self) -> None:
        """Wait until a cancel published from now on will be heard."""
        await self._listener.wait_until_listening()

    async def stop(self) -> None:
        """Stop renewing and listening."""
        await self._listener.stop()
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def enter(self, running: RunningCompletion) -> None:
        """Renew the row's lease from now on, and let cancels find it."""
        self._running[running.id] = running
        STREAMS_OPEN.set(len(self._running))
        self._spawn(self._check_cancel(running))

    def leave(self, running: RunningCompletion) -> None:
        """Let the row go."""
        if self._running.get(running.id) is running:
            del self._running[running.id]
        STREAMS_OPEN.set(len(self._running))

    def note_progress(self, running: RunningCompletion) -> None:
        """Have the partial texts stored soon if this one has grown much."""
        if running.handle.chars - running.checkpointed_chars >= CHECKPOINT_CHARS:
            self._checkpoint_due.set()

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _check_cancel(self, running: RunningCompletion) -> None:
        """A cancel published before the row was entered here was heard by nobody: its key tells."""
        try:
            if await is_cancel_requested(self._context.redis, running.id):
                running.stop(StopReason.CANCELLED)
        except (RedisError, OSError):
            pass  # the renewal reads the row's own mark

    async def _on_cancel(self, stream_id: str) -> None:
        running = self._running.get(stream_id)
        if running is not None:
            running.stop(StopReason.CANCELLED)
        else:
            self._spawn(self._cancel_unstarted(stream_id))

    async def _cancel_unstarted(self, stream_id: str) -> None:
        try:
            await cancel_unstarted(self._context, stream_id)
        except STORE_AWAY as error:
            log.warning("cancel_left_to_the_reaper", stream=stream_id, error=str(error))

    async def _run_renewal(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await self._checkpoint_due.wait()
                await asyncio.sleep(CHECKPOINT_PAUSE_SECONDS)
            except TimeoutError:
                pass
            self._checkpoint_due.clear()
            await self._renew()

    async def _renew(self) -> None:
        held = list(self._running.values())
        if not held:
            return
        lengths = {running.id: running.handle.chars for running in held}
        checkpoints = [running.checkpoint(with_text=True) for running in held]
        try:
            async with self._context.database.transaction() as session:
                ours = await renew_completions(session, self._context.worker_id, checkpoints)
        except STORE_AWAY as error:
            # Nobody can take the rows while Postgres is away; the streams go on.
            log.warning("leases_not_renewed", count=len(held), error=str(error))
            return
        for running, checkpoint in zip(held, checkpoints, strict=True):
            if checkpoint.attempt != running.claimed.attempt:
                continue  # it went on to its next attempt meanwhile
            if running.id not in ours:
                running.stop(StopReason.LOST)
            elif ours[running.id]:
                running.stop(StopReason.CANCELLED)
            running.checkpointed_chars = lengths[running.id]
