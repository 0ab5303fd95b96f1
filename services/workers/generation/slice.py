"""A slice of work on a run: for half a minute, or until nothing is left, claim rows, keep calls in flight, settle.

Any number of workers may do this for one run; they meet only in the rows."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Final

from services.workers.generation.bottleneck import Bottleneck, Cause
from services.workers.generation.call_slots import CallSlots
from services.workers.generation.caution import Caution
from services.workers.generation.claim import PAUSE_REASONS, ClaimedBatch, Emptiness, claim_batch
from services.workers.generation.desk import GenerationDesk
from services.workers.generation.expansion_watch import ExpansionWatch
from services.workers.generation.invitation import Invitation
from services.workers.generation.pausing import Pause, pause_run
from services.workers.generation.result_writer import ResultWriter
from services.workers.generation.run import Run
from services.workers.generation.run_gate import RunGate
from services.workers.generation.run_limits import RunLimits
from services.workers.generation.story_call import CallResult, StoryCall, give_up_unbegun, make_call
from services.workers.leases.row_kind import Lease, begin_lease
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from services.workers.process.together import run_together
from services.workers.providers.rate_limits import Grant
from shared.contracts.queue.messages import GENERATION
from shared.observability.logs import get_logger
from shared.stores.away import STORE_AWAY
from shared.stores.db.repositories.generation_progress import RunState
from shared.stores.db.repositories.story_claims import find_next_due_seconds

SLICE_SECONDS: Final = 30.0
"""Then the run goes to the back of the queue: other runs and other workers get their turn."""
FEWEST_CLAIM_ROWS: Final = 16
PARALLEL_TRANSACTIONS: Final = 2
"""Claims, and commits of results, under way at once: while one waits for Postgres the next is made ready."""
GATHER_SLOTS_SECONDS: Final = 0.02
"""Free slots are gathered for so long: one claim for many rows."""
LONGEST_NAP_SECONDS: Final = 0.25
"""Between two looks at whether the run was paused, rows became due, or money came back."""

log = get_logger(__name__)


class GenerationSlice:
    """The claims and calls of one slice. The keeper of leases holds its rows."""

    def __init__(self, context: WorkerContext, desk: GenerationDesk, run: Run, state: RunState, gate: RunGate) -> None:
        self.run = run
        self.gate = gate
        self.state = state
        self.slots: CallSlots = desk.find_slots(run.target.provider)
        self.caution = Caution(context.redis)
        self.limits = RunLimits(desk.limits, run)
        self.limits.configure(state)
        self.bottleneck = Bottleneck()
        self.writer = ResultWriter(context.database, run, self._let_go)
        self.calls: set[asyncio.Task[CallResult]] = set()
        self.held: dict[str, StoryCall] = {}
        """Calls whose rows are ours until their results are settled, by attempt."""
        self._context = context
        self._expansion = ExpansionWatch(context, run.order.id)
        self._invitation = Invitation(context.sender, run.order.id, self.slots, self.bottleneck)
        self._deadline = time.monotonic() + SLICE_SECONDS
        self._errand: asyncio.Task[None] | None = None
        self._nothing_left = False
        self._settled = asyncio.Event()
        self._gathering = asyncio.Lock()
        self._occupied = 0
        """Slots taken by this slice: for calls, and for claims under way."""

    @property
    def is_over(self) -> bool:
        """Whether no more rows should be claimed here. Being late is no reason while the provider is down and calls
        hang: until they are given up nobody else would ask for this run whether it is back."""
        is_late = time.monotonic() >= self._deadline and not (self.calls and self.gate.is_down)
        return self._context.stopping.is_set() or is_late or self._nothing_left or not self.state.is_active

    async def work(self) -> None:
        """Claim and call until the slice is over, then wait for the calls and settle what they brought."""
        writing = asyncio.gather(*(self.writer.work() for _ in range(PARALLEL_TRANSACTIONS)))
        self.slots.slices += 1
        try:
            while self.calls or not self.is_over:
                await run_together([self._claim_until_over() for _ in range(PARALLEL_TRANSACTIONS)])
                while self.calls and self.is_over:
                    await self._wait_for_calls()
        finally:
            self.slots.slices -= 1
            if self._errand is not None:
                self._errand.cancel()
            self.cancel_calls()
            while self.calls:
                await self._wait_for_calls()
            self.writer.close()
            try:
                await writing
            finally:
                self._forget_calls()

    async def _claim_until_over(self) -> None:
        while not self.is_over:
            await self._take_step()
            await self._extend()

    def _forget_calls(self) -> None:
        """Give up what could not be settled (Postgres stayed away): the reaper will find it."""
        for _ in range(len(self.held)):
            self.slots.settle()
        self.held.clear()

    def take_in(self, state: RunState) -> None:
        """Go on by how the run stands now, and call other workers in when there is more to do than this one can."""
        self.state = state
        self.limits.configure(state)
        if state.status == "cancelled":
            self.cancel_calls()
        if self._errand is None or self._errand.done():
            self._errand = asyncio.create_task(self._run_errand(state))

    async def _run_errand(self, state: RunState) -> None:
        """What a heartbeat brings, and must not wait for: Redis may be away."""
        try:
            await self.gate.first_calls.renew()
            await self._invitation.consider(state, is_proven=self.gate.trust.is_proven)
            await self.limits.reconcile()
            await self._expansion.look(state)
        except Exception:  # a defect of ours: the next heartbeat tries again
            log.exception("errand_failed", generation=self.run.order.id)

    def cancel_calls(self) -> None:
        """Give up the calls under way: their rows go back to the queue, their attempts stay charged."""
        for call in self.calls:
            call.cancel()

    async def _extend(self) -> None:
        """Go on after the deadline while no message waits: ending would only leave slots empty."""
        if time.monotonic() < self._deadline:
            return
        with suppress(*STORE_AWAY):
            if await self._context.redis.llen(GENERATION) == 0:
                self._deadline = time.monotonic() + SLICE_SECONDS

    async def _take_step(self) -> None:
        """Start as many calls as slots, limits, money and rows allow; else wait a little for what is missing."""
        async with self._gathering:  # one at a time: two would share the free slots out into small claims
            rows = await self._find_room()
            self._occupy(rows)
        if rows == 0:
            return
        claim, lease, grant = ClaimedBatch(), begin_lease(self._context), Grant(0)
        try:
            grant = await self.limits.reserve(rows)
            if grant.rows > 0:
                claim, lease = await self._claim(grant.rows)
        finally:
            self._give_up(rows - len(claim.calls))
            if not claim.calls:
                self.gate.give_up()
        for call in claim.calls:
            self._start_call(call, lease)
        await self._wait_after(claim, grant)

    async def _wait_after(self, claim: ClaimedBatch, grant: Grant) -> None:
        """Return permits that were not used; wait for what was missing, if anything was."""
        if grant.rows == 0:
            cause = Cause(grant.limited_by) if grant.limited_by else Cause.REQUESTS_PER_MINUTE
            await self._nap(cause, grant.wait_seconds)
            return
        if len(claim.calls) < grant.rows and self.limits.active:
            await self.limits.give_back(grant.rows - len(claim.calls))
        if claim.empty_because is not None:
            await self._wait_for_rows(claim.empty_because)

    async def _find_room(self) -> int:
        """Return how many rows to claim: as many as there are slots, and as the run's provider may be asked."""
        rows = await self._wait_for_slots()
        if rows == 0 and not self.gate.is_down:
            return 0
        admission = await self.gate.admit(max(rows, 1), self._occupied)  # calls that hang must not keep a probe out
        if admission.pause is not None:
            await self._pause(admission.pause)
        elif admission.rows == 0:
            await self._nap(admission.cause, admission.wait_seconds)
        return admission.rows

    async def _wait_for_slots(self) -> int:
        """Return how many rows to claim: at once if that is a good part of all slots, else after a short wait."""
        silence = self.slots.paused_until - time.monotonic()
        if silence > 0:
            await self._nap(Cause.UPSTREAM_REFUSALS, silence)
            return 0
        most = 1 if self.caution.is_on else max(FEWEST_CLAIM_ROWS, self.slots.batch)
        free = self.slots.count_free(self._occupied)
        if free >= min(most, self.slots.batch):
            return min(free, most)
        self.slots.changed.clear()
        is_at_most = self.slots.limit >= self.slots.most
        with self.bottleneck.waiting_for(Cause.CONCURRENCY if is_at_most else Cause.UPSTREAM_LATENCY):
            await self._wait(self.slots.changed.wait(), GATHER_SLOTS_SECONDS)
        return min(self.slots.count_free(self._occupied), most)

    def _occupy(self, rows: int) -> None:
        self._occupied += rows
        self.slots.occupy(rows)

    def _give_up(self, rows: int) -> None:
        self._occupied -= rows
        self.slots.give_up(rows)

    async def _claim(self, rows: int) -> tuple[ClaimedBatch, Lease]:
        state, database = self.state, self._context.database

        async def claim_once() -> tuple[ClaimedBatch, Lease]:
            lease = begin_lease(self._context)
            return await claim_batch(database, self.run, lease, rows, self.caution.plan, state), lease

        with self.bottleneck.waiting_for(Cause.DATABASE):
            return await keep_trying(claim_once, what="claim rows")

    def _start_call(self, call: StoryCall, lease: Lease) -> None:
        self.held[call.attempt_id] = call
        task = asyncio.create_task(make_call(self._context.llm, self.slots, self.gate, self.run, call, lease))
        self.calls.add(task)
        task.add_done_callback(partial(self._end_call, call))

    def _end_call(self, call: StoryCall, task: asyncio.Task[CallResult]) -> None:
        """Not a part of the task: one that is cancelled before its first step runs nothing at all."""
        self.calls.discard(task)
        self._occupied -= 1
        self.slots.release()
        result = give_up_unbegun(self.gate, self.run, call) if task.cancelled() else task.result()
        self.limits.learn(result)
        self.writer.add(result)

    def _let_go(self, result: CallResult) -> None:
        if self.held.pop(result.call.attempt_id, None) is not None:
            self.slots.settle()
            self._settled.set()

    async def _wait_for_rows(self, why: Emptiness) -> None:
        if why is Emptiness.RUN_NOT_ACTIVE:
            self._nothing_left = True
        elif why in PAUSE_REASONS:
            await self._pause(Pause(PAUSE_REASONS[why]))
        elif why is Emptiness.BUDGET_RESERVED:
            await self._nap(Cause.BUDGET, LONGEST_NAP_SECONDS)
        elif self.held or self._occupied:
            self.gate.free_a_row()
            self._settled.clear()
            with self.bottleneck.waiting_for(Cause.UPSTREAM_LATENCY):
                await self._wait(self._settled.wait(), LONGEST_NAP_SECONDS)
        else:
            await self._wait_for_due_rows()

    async def _wait_for_due_rows(self) -> None:
        """Nothing to claim and nothing under way here: wait for rows that are to be tried again, or be expanded."""
        due_seconds = await keep_trying(self._find_due_seconds, what="look for rows")
        if due_seconds is not None:
            await self._nap(Cause.RETRY_DELAY, max(due_seconds, GATHER_SLOTS_SECONDS))
        elif self.state.expanded < self.state.total:
            await self._nap(Cause.DATABASE, LONGEST_NAP_SECONDS)
        else:
            self._nothing_left = True  # other workers have the rest; the last one ends the run

    async def _find_due_seconds(self) -> float | None:
        async with self._context.database.transaction() as session:
            return await find_next_due_seconds(session, self.run.order.id, of_pilot=self.state.is_pilot)

    async def _pause(self, pause: Pause) -> None:
        self._nothing_left = True
        await pause_run(self._context, self.run.order.id, pause)

    async def _nap(self, cause: Cause, seconds: float) -> None:
        with self.bottleneck.waiting_for(cause):
            await self._wait(self._context.stopping.wait(), min(seconds, LONGEST_NAP_SECONDS))

    async def _wait(self, signal: Awaitable[object], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await signal

    async def _wait_for_calls(self) -> None:
        with self.bottleneck.waiting_for(Cause.UPSTREAM_LATENCY):
            await asyncio.wait(self.calls, timeout=LONGEST_NAP_SECONDS)
