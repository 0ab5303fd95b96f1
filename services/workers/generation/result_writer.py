"""Gathers results for 20 ms and settles them in batches. They exist nowhere else until then,
so it goes on trying while Postgres is away."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from services.workers.generation.near_texts import SignedTexts, sign_results
from services.workers.generation.run import Run
from services.workers.generation.settlement import settle_results
from services.workers.generation.story_call import CallResult, StoryCall
from services.workers.process.store_patience import keep_trying, write_patiently
from shared.observability.logs import get_logger
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.story_results import fail_unsettled_story
from shared.stores.db.session import Database

GATHER_SECONDS: Final = 0.02
ENOUGH_RESULTS: Final = 64
"""Worth a transaction at once."""
BATCH_RESULTS: Final = 256

log = get_logger(__name__)


class ResultWriter:
    """Settles one run's results, one batch at a time."""

    def __init__(self, database: Database, run: Run, on_settled: Callable[[CallResult], None]) -> None:
        self._database = database
        self._run = run
        self._on_settled = on_settled
        self._waiting: list[CallResult] = []
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._closing = False

    def add(self, result: CallResult) -> None:
        """Hand a result over."""
        self._waiting.append(result)
        self._arrived.set()
        if len(self._waiting) >= ENOUGH_RESULTS:
            self._enough.set()

    def close(self) -> None:
        """Let `work` return once everything is settled."""
        self._closing = True
        self._arrived.set()
        self._enough.set()

    async def work(self) -> None:
        """Settle results as they come, until closed and empty."""
        while self._waiting or not self._closing:
            await self._arrived.wait()
            if not self._closing:
                await self._gather()
            batch, self._waiting = self._waiting[:BATCH_RESULTS], self._waiting[BATCH_RESULTS:]
            self._reset_signals()
            if batch:
                await self._settle(batch)

    def _reset_signals(self) -> None:
        if self._closing:
            return
        if not self._waiting:
            self._arrived.clear()
        if len(self._waiting) < ENOUGH_RESULTS:
            self._enough.clear()

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(GATHER_SECONDS):
                await self._enough.wait()
        except TimeoutError:
            pass

    async def _settle(self, batch: Sequence[CallResult]) -> None:
        try:
            signed = await sign_results(self._run, batch)
            await keep_trying(lambda: self._settle_once(batch, signed), what="settle results")
        except STORE_AWAY:
            raise
        except Exception:
            log.exception("results_not_settled", results=len(batch))
            await self._settle_apart(batch)
            return
        for result in batch:
            self._on_settled(result)

    async def _settle_once(self, batch: Sequence[CallResult], signed: SignedTexts) -> None:
        async with self._database.transaction() as session:
            await settle_results(session, self._run, batch, signed)

    async def _settle_apart(self, batch: Sequence[CallResult]) -> None:
        """One of a batch cannot be written: find it, and book its answer as malformed."""
        if len(batch) > 1:
            for result in batch:
                await self._settle([result])
        elif batch[0].answer is not None:
            error = LlmError(FailureClass.MALFORMED, "the provider's answer cannot be stored")
            await self._settle([CallResult(batch[0].call, None, error)])
        else:
            await self._end_unsettled(batch[0].call)
            self._on_settled(batch[0])

    async def _end_unsettled(self, call: StoryCall) -> None:
        """Not even its failure can be written: end the row in words of our own, or it would be paid for again. The
        reaper books the call as unknown."""
        failure = LlmError(FailureClass.INTERNAL_ERROR, "A defect of this service: the outcome cannot be written.")
        values = {"failure_class": failure.failure_class.value, "failure_message": failure.message}
        try:
            await write_patiently(
                self._database,
                lambda session: fail_unsettled_story(session, call.story_id, call.number, **values),
                what="end a story",
            )
        except Exception:  # its lease lapses, and the reaper counts it as a lost worker
            log.exception("story_not_ended", story=call.story_id, attempt=call.attempt_id)
