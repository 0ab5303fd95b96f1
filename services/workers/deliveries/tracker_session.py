"""Tell one tracker of one job: what it does not know yet, then live until the job is over or another run wants the
place. Whatever happens to tracker, child or worker, the next session goes on from the last step that was safe."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from services.workers.deliveries.sink_process import SinkError, SinkProcess
from services.workers.deliveries.tracker_story import (
    Told,
    describe_job,
    describe_outcome,
    describe_row,
    is_over,
)
from services.workers.leases.hold import Hold
from services.workers.leases.row_kind import LostRowError
from services.workers.process.context import WorkerContext
from shared.stores.db.models import FineTuningJob, FineTuningMetric
from shared.stores.db.repositories.fine_tuning_metrics import list_metrics
from shared.stores.db.repositories.tracker_claims import ClaimedRun, note_told
from shared.stores.db.repositories.tracker_runs import count_measured, get_told_job

LOOK_SECONDS: Final = 2.0
"""A running job is looked at so often."""
SETTLE_SECONDS: Final = 1.0
"""The newest step may still be given its validation values."""
ROWS: Final = 1_000
TURN_SECONDS: Final = 20.0
"""So long a session goes on when others wait for its place."""
IDLE_SECONDS: Final = 120.0
"""So long it waits for a job that measures nothing (a paused one)."""

STOP_SECONDS: Final = 2.5


@dataclass(slots=True)
class TrackerSession:
    """One turn at one tracker run."""

    context: WorkerContext
    claimed: ClaimedRun
    is_wanted: Callable[[], bool]
    """Whether another run waits for this place."""
    hold: Hold
    told: Told
    run_ref: str | None

    @classmethod
    def of(
        cls, context: WorkerContext, claimed: ClaimedRun, is_wanted: Callable[[], bool], hold: Hold
    ) -> "TrackerSession":
        """Return the session of a claimed run, from where the last one came to."""
        told = Told(claimed.told_step, Counter(claimed.detail.get("counts") or {}))
        return cls(context, claimed, is_wanted, hold, told, claimed.run_ref)

    async def run(self) -> bool:
        """Tell until the job is over (True), or the turn is or nothing happens (False).

        Raises: SinkError when the tracker's process fails; LostRowError when another has the run; an error
        of `STORE_AWAY`."""
        if not await self._has_news():
            return False  # a job that waits needs no process, and W&B a new folder for each
        process = await SinkProcess.start(self.claimed.sink, self.context.worker_settings.tracker_python)
        try:
            await self._open(process)
            if job := await self._follow(process):
                await self._finish(process, job)
                return True
            return False
        except asyncio.CancelledError:
            with suppress(SinkError):
                await self._pause(process, STOP_SECONDS)
            raise
        finally:
            await process.kill()

    @property
    def _answer_seconds(self) -> float:
        return self.context.worker_settings.tracker_answer_seconds

    async def _open(self, process: SinkProcess) -> None:
        job = await self._load_job()
        order = {
            "job_id": job.id,
            "folder": str(self.context.worker_settings.tracker_dir / self.claimed.sink),
            "settings": self.claimed.config,
            "config": describe_job(job),
            "run_ref": self.run_ref,
            "told_step": self.told.step,
        }
        await self.hold.confirm()
        opened = (await process.ask({"open": order}, self._answer_seconds))["opened"]
        if self.run_ref not in {None, opened}:  # the old run is gone there: a new one starts from nothing
            self.told = Told()
        self.run_ref = opened
        await self._note()

    async def _has_news(self) -> bool:
        job = await self._load_job()
        return is_over(job) or bool(await self._load_rows(is_last=False))

    async def _follow(self, process: SinkProcess) -> FineTuningJob | None:
        """Write rows as they come; return the job when it is over, None when the turn is."""
        turn_end = time.monotonic() + TURN_SECONDS
        idle_end = time.monotonic() + IDLE_SECONDS
        while True:
            job = await self._load_job()
            rows = await self._load_rows(is_last=is_over(job))
            if rows:
                await self._write(process, rows)
                idle_end = time.monotonic() + IDLE_SECONDS
            elif is_over(job):
                return job
            elif self.context.stopping.is_set() or time.monotonic() > (turn_end if self.is_wanted() else idle_end):
                is_leaving = self.context.stopping.is_set()
                await self._pause(process, STOP_SECONDS if is_leaving else 2 * self._answer_seconds)
                return None
            else:
                await self._wait()

    async def _finish(self, process: SinkProcess, job: FineTuningJob) -> None:
        """Tell values that came late, then the end."""
        await self.hold.confirm()
        async with self.context.database.transaction() as session:
            measured = await count_measured(session, job.id, self.told.step)
        late = self.told.find_late_columns(measured)
        step = 0
        while late and (rows := await self._load_rows(is_last=True, after_step=step, columns=late)):
            step = int(rows[-1]["step"])
            await process.ask({"rows": [row for row in rows if set(row) & set(late)]}, self._answer_seconds)
        await process.ask({"finish": describe_outcome(job)}, 2 * self._answer_seconds)
        await self._note()

    async def _write(self, process: SinkProcess, rows: list[dict[str, float]]) -> None:
        await self.hold.confirm()
        answer = await process.ask({"rows": rows}, self._answer_seconds)
        self.told = self.told.add(rows)
        if answer["safe"]:
            await self._note()

    async def _pause(self, process: SinkProcess, timeout_seconds: float) -> None:
        await process.pause(timeout_seconds)
        await self._note()

    async def _note(self) -> None:
        """Write how far the tracker surely is. Raises: LostRowError when another worker has claimed the run."""
        detail: dict[str, Any] = {**self.claimed.detail, "counts": dict(self.told.counts)}
        async with self.context.database.transaction() as session:
            is_ours = await note_told(
                session, self.claimed, told_step=self.told.step, run_ref=self.run_ref, detail=detail
            )
        if not is_ours:
            raise LostRowError(self.claimed.sink)
        if self.told.step > self.claimed.told_step:
            await self.hold.note_progress()

    async def _load_job(self) -> FineTuningJob:
        async with self.context.database.transaction() as session:
            return await get_told_job(session, self.claimed.job_id)

    async def _load_rows(
        self, *, is_last: bool, after_step: int | None = None, columns: list[str] | None = None
    ) -> list[dict[str, float]]:
        start = self.told.step if after_step is None else after_step
        async with self.context.database.transaction() as session:
            metrics, _ = await list_metrics(session, self.claimed.job_id, start, ROWS)
        ready = list(metrics) if is_last else leave_unsettled(list(metrics))
        return [describe_row(metric, columns) if columns else describe_row(metric) for metric in ready]

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.context.stopping.wait()


def leave_unsettled(metrics: list[FineTuningMetric]) -> list[FineTuningMetric]:
    """Return the steps but for a newest one that is so young that it may still grow."""
    if metrics and time.time() - metrics[-1].recorded_at.timestamp() < SETTLE_SECONDS:
        return metrics[:-1]
    return metrics
