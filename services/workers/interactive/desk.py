"""What an interactive worker keeps per process: the completions under way, by id, and the ear for cancels."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Self

from services.workers.interactive.lease import COMPLETION_ROWS
from services.workers.interactive.running import RunningCompletion, StopReason
from services.workers.interactive.unstarted import cancel_unstarted
from services.workers.leases.keeper import LeaseKeeper
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import STREAMS_OPEN
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.streams.control import CancelListener, is_cancel_requested

CHECKPOINT_CHARS: Final = 2048
"""About 4 KiB of mixed text: what a crash may cost to a viewer who has to read from Postgres."""
CHECKPOINT_PAUSE_SECONDS: Final = 0.25
"""Texts that have grown much are stored together, so long after the first of them."""

log = get_logger(__name__)


class InteractiveDesk:
    """The completions of this process, by id."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._running: dict[str, RunningCompletion] = {}
        self._listener = CancelListener(context.redis, self._on_cancel)
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the desk, listening."""
        desk = cls(context)
        await desk._listener.start()
        return desk

    async def wait_until_listening(self) -> None:
        """Wait until a cancel published from now on will be heard."""
        await self._listener.wait_until_listening()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()
        for errand in self._errands:
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)

    def enter(self, running: RunningCompletion) -> None:
        """Let cancels find a row."""
        self._running[running.id] = running
        STREAMS_OPEN.set(len(self._running))
        self._spawn(self._check_cancel(running))

    def leave(self, running: RunningCompletion) -> None:
        """Let the row go."""
        if self._running.get(running.id) is running:
            del self._running[running.id]
        STREAMS_OPEN.set(len(self._running))

    def _spawn(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _check_cancel(self, running: RunningCompletion) -> None:
        """A cancel published before the row was entered here was heard by nobody: its key tells."""
        try:
            if await is_cancel_requested(self._context.redis, running.id):
                running.stop(StopReason.CANCELLED)
        except STORE_AWAY:
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


def note_progress(keeper: LeaseKeeper, running: RunningCompletion) -> None:
    """Have the partial texts stored soon if this one has grown much."""
    if running.handle.chars - running.checkpointed_chars >= CHECKPOINT_CHARS:
        keeper.hurry(COMPLETION_ROWS, CHECKPOINT_PAUSE_SECONDS)
