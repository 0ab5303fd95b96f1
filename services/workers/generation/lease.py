"""How a slice holds its run and the rows that it has claimed: one statement for the rows of all slices of the process,
one for their runs, which also brings pause, cancel and new limits."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.slice import GenerationSlice
from services.workers.leases.deaths import MOST_DEATHS, SUSPECT_DEATHS, say_worker_died
from services.workers.leases.row_kind import Lease, RowKind
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.contracts.queue.messages import ExpandGeneration, Message, WorkGeneration
from shared.outside.providers.failures import FailureClass
from shared.stores.db.repositories import reaping
from shared.stores.db.repositories.generation_progress import RunState, hold_generations, pause_generation
from shared.stores.db.repositories.story_claims import TakenStory, renew_story_leases

DEATH_LIMIT: Final = reaping.DeathLimit(
    SUSPECT_DEATHS, MOST_DEATHS, FailureClass.INTERNAL_ERROR.value, say_worker_died(MOST_DEATHS)
)


class GenerationRows(RowKind[GenerationSlice, RunState]):
    """Rows of `generation`, and of `story` below them. Many workers may hold one run: they meet in the stories, whose
    attempts guard every write."""

    name: ClassVar[str] = "generation"
    listen_seconds: ClassVar[float | None] = 0.5
    is_shared: ClassVar[bool] = True

    def key(self, row: GenerationSlice) -> Hashable:
        return row.run.order.id

    async def renew(
        self, session: AsyncSession, rows: Sequence[GenerationSlice], lease: Lease
    ) -> Mapping[Any, RunState]:
        stories = [TakenStory(call.story_id, call.number) for row in rows for call in row.held.values()]
        await renew_story_leases(session, stories, lease.seconds)
        return await self.listen(session, rows)

    async def listen(self, session: AsyncSession, rows: Sequence[GenerationSlice]) -> Mapping[Any, RunState]:
        return await hold_generations(session, {row.run.order.id: row.bottleneck.take() for row in rows})

    def hear(self, row: GenerationSlice, wanted: RunState) -> None:
        row.take_in(wanted)

    async def hand_back(self, session: AsyncSession, rows: Sequence[GenerationSlice]) -> None:
        """Nothing more: a slice that ends has settled its calls, and their rows are in the queue again."""

    async def requeue(self, session: AsyncSession, lease_seconds: float) -> Sequence[Message]:
        await reaping.requeue_lapsed_stories(session, DEATH_LIMIT)
        unheld = await reaping.take_unheld_generations(session, lease_seconds)
        resumed = await reaping.resume_due_generations(session)
        expand = [ExpandGeneration(run.id) for run in (*unheld, *resumed) if run.needs_expansion]
        work = [WorkGeneration(run.id, was_unheld=True) for run in unheld]
        return [*expand, *work, *(WorkGeneration(run.id) for run in resumed)]

    def name_row(self, row: GenerationSlice) -> str:
        return row.run.order.id

    def is_claimed_again(self, row: GenerationSlice) -> bool:
        return True

    async def give_up(self, context: WorkerContext, row: GenerationSlice, reason: str) -> None:
        """Pause the run, as for anything that keeps it from going on: its owner sees why, and may resume it."""
        run_id = row.run.order.id
        await write_patiently(
            context.database, lambda session: pause_generation(session, run_id, reason), what="pause a generation"
        )

    def message(self, row: GenerationSlice) -> WorkGeneration:
        return WorkGeneration(generation_id=row.run.order.id)


GENERATION_ROWS: Final = GenerationRows()
