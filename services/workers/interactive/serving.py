"""The serving slice: takes texts from the line and runs them on the loop, as many at once as the process may hold. One
text costs no Celery task, and no project takes all the room. See ADR 102."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Final, Self

from services.workers.interactive.task import run_completion
from services.workers.process.context import WorkerContext
from services.workers.process.metrics import LINE_DEPTH, LINE_OLDEST_SECONDS, note_job
from shared.contracts.queue.messages import RunCompletion
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.queue.line import Taken, Waiting

TEXTS_AT_A_TIME: Final = 16
"""Taken in one go: the others are left for workers that have less to do."""
OTHERS_SHARE: Final = 16
"""One place in so many is kept for projects that have fewer texts under way."""
LOOK_SECONDS: Final = 2
"""Between two looks without a bell: it may have rung for a worker that died."""
PAUSE_SECONDS: Final = 0.2
"""After Redis was found away, or a defect of ours."""
NOBODY: Final = Taken((), are_left=False)

log = get_logger(__name__)


class ServingSlice:
    """Part of a worker that serves interactive texts."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._under_way: Counter[str] = Counter()
        """Texts of each project."""
        self._freed = asyncio.Event()
        """Set when a place has become free."""
        self._bell: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, context: WorkerContext) -> Self:
        """Return the slice; it takes texts from the line from now on."""
        serving = cls(context)
        context.figures.append(serving.tell_figures)
        serving._serving = asyncio.create_task(serving._serve(), name="serving-slice")
        return serving

    async def stop(self) -> None:
        """Take nothing more, and let another worker hear the bell that may have rung for us."""
        self._context.stopping.set()  # a cancellation can be lost in Redis' client: the loop must see it all the same
        for task in (self._serving, self._bell):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, *STORE_AWAY):
                    await task
        with suppress(*STORE_AWAY):
            await self._context.line.ring()

    async def tell_figures(self) -> None:
        """Set the metrics of the line."""
        figures = await self._context.line.measure()
        LINE_DEPTH.set(figures.depth)
        LINE_OLDEST_SECONDS.set(figures.oldest_seconds)

    @property
    def _room(self) -> int:
        return self._context.concurrency - self._under_way.total()

    async def _serve(self) -> None:
        while not self._context.stopping.is_set():
            try:
                await self._serve_once()
            except STORE_AWAY as error:
                log.warning("line_away", error=str(error))
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:  # a defect of ours must not end the service
                log.exception("line_not_served")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _serve_once(self) -> None:
        """Take what there is room for and run it; then wait until a look may bring more."""
        self._freed.clear()
        asked = min(self._room, TEXTS_AT_A_TIME)
        taken = await self._take(asked) if asked > 0 else NOBODY
        if self._context.stopping.is_set():
            for text in taken.texts:  # for another worker
                await self._context.line.put(text.project_id, [text.completion_id])
            return
        for text in taken.texts:
            self._begin(text)
        if len(taken.texts) < asked or asked <= 0:
            await self._wait(wants_freed=taken.are_left or asked <= 0)

    async def _take(self, count: int) -> Taken:
        most = self._context.concurrency - self._context.concurrency // OTHERS_SHARE
        return await self._context.line.take(count, most=most, held=self._under_way)

    async def _wait(self, *, wants_freed: bool) -> None:
        """Wait for the bell if there is room, for a free place if that lets more texts in, for the stop."""
        if self._bell is None and self._room > 0:
            self._bell = asyncio.create_task(self._context.line.wait_for_bell(LOOK_SECONDS), name="line-bell")
        waiters = [asyncio.create_task(self._context.stopping.wait())]
        if wants_freed:
            waiters.append(asyncio.create_task(self._freed.wait()))
        try:
            await asyncio.wait([*waiters, *([self._bell] if self._bell else [])], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
        if self._bell is not None and self._bell.done():
            bell, self._bell = self._bell, None
            bell.result()
            if self._room <= 0:
                await self._context.line.ring()  # for a worker that has room

    def _begin(self, text: Waiting) -> None:
        self._under_way[text.project_id] += 1
        self._context.jobs.start(self._run(text)).add_done_callback(lambda _: self._end(text))

    def _end(self, text: Waiting) -> None:
        self._under_way[text.project_id] -= 1
        if not self._under_way[text.project_id]:
            del self._under_way[text.project_id]
        self._freed.set()

    async def _run(self, text: Waiting) -> None:
        """Run one text. Whatever it meets is told here: the row says what became of it, or the reaper finds it."""
        try:
            with note_job(RunCompletion.task):
                await run_completion(self._context, text.completion_id)
        except STORE_AWAY as error:
            log.warning("job_left_to_the_reaper", completion_id=text.completion_id, error=str(error))
        except asyncio.CancelledError:
            log.info("job_handed_back", job=RunCompletion.task, completion_id=text.completion_id)
        except Exception:
            log.exception("job_failed", job=RunCompletion.task, completion_id=text.completion_id)
