"""Cancel, pause and resume, carried out at the provider. Until one has shown its effect it stays on the row."""

import time
from typing import Final

from services.workers.fine_tuning.follow.progress import BUDGET
from services.workers.fine_tuning.held_job import HeldJob
from services.workers.fine_tuning.upstream.provider import UpstreamJob
from shared.contracts.statuses import FINE_TUNING_JOB
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.fine_tuning_claims import Wish
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events, has_event
from shared.stores.db.repositories.fine_tuning_steps import forget_wish, write_columns

REFUSALS: Final = frozenset({FailureClass.INVALID_REQUEST, FailureClass.NOT_FOUND})
TOO_EARLY: Final = frozenset({"validating_files"})
BUDGET_NOT_HELD: Final = "budget_not_held"
ASK_AGAIN_SECONDS: Final = 30.0
"""Between two tries to stop a job whose budget is used up, at a provider that refuses."""


class Wishes:
    """What is wanted of one job, and what was done about it already."""

    def __init__(self, held: HeldJob, upstream_id: str) -> None:
        self._held = held
        self._upstream_id = upstream_id
        self._done: Wish | None = None
        self._refused: Wish | None = None
        self._asked_at = float("-inf")

    async def carry_out(self) -> None:
        """Carry out what is wanted now, once. Raises: LlmError for what may be tried again."""
        wish = self._held.wish
        if wish is None or wish == self._done or self._is_refused_lately(wish):
            return
        if wish.wanted == "pause" and not self._held.provider.capabilities.pause:
            await self._replace_pause(wish, "this provider cannot pause jobs")
            return
        try:
            await self._held.provider.change_job(self._upstream_id, wish.wanted)
        except LlmError as error:
            if error.failure_class not in REFUSALS:
                raise
            await self._weigh_refusal(wish, error)
            return
        self._done = wish

    def _is_refused_lately(self, wish: Wish) -> bool:
        return wish == self._refused and time.monotonic() - self._asked_at < ASK_AGAIN_SECONDS

    async def _weigh_refusal(self, wish: Wish, error: LlmError) -> None:
        """A refusal may mean that it is so already, that it is too early, or that the provider cannot."""
        upstream = await self._held.provider.get_job(self._upstream_id)
        if upstream.status in FINE_TUNING_JOB.final or is_reached(wish, upstream):
            self._done = wish
        elif upstream.status in TOO_EARLY:
            return
        elif wish.wanted == "pause":
            await self._replace_pause(wish, error.message)
        elif wish.by == BUDGET:
            await self._keep_asking(wish, error.message)
        else:
            await self._drop(wish, f"The provider refused to {wish.wanted} the job: {error.message}")

    async def _replace_pause(self, wish: Wish, reason: str) -> None:
        """A budget must hold even where nothing can be paused; a person's wish is only told to have failed."""
        if wish.by != BUDGET:
            await self._drop(wish, f"The job cannot be paused: {reason}")
            return
        async with self._held.writing() as (session, job):
            await write_columns(session, job, wanted="cancel")
            message = f"The budget is used up and the job cannot be paused ({reason}): it is cancelled"
            await append_events(session, job.id, [NewEvent(message, level="warn", data={"code": BUDGET})])
        self._held.wish = Wish("cancel", BUDGET)

    async def _keep_asking(self, wish: Wish, reason: str) -> None:
        """A budget is no wish that is given up: the provider is asked again and again, and a person is told once."""
        self._refused, self._asked_at = wish, time.monotonic()
        async with self._held.writing() as (session, job):
            if not await has_event(session, job.id, BUDGET_NOT_HELD):
                message = f"The provider refused to {wish.wanted} the job, whose budget is used up: {reason}"
                await append_events(session, job.id, [NewEvent(message, level="error", data={"code": BUDGET_NOT_HELD})])

    async def _drop(self, wish: Wish, message: str) -> None:
        async with self._held.writing() as (session, job):
            if job.wanted == wish.wanted:
                await forget_wish(session, job)
            await append_events(session, job.id, [NewEvent(message, level="warn", data={"code": "refused"})])
        self._held.wish = None

    def settle(self, upstream: UpstreamJob) -> bool:
        """Say whether the wish has shown its effect and may be forgotten."""
        wish = self._held.wish
        return wish is not None and wish.wanted != "cancel" and is_reached(wish, upstream)


def is_reached(wish: Wish, upstream: UpstreamJob) -> bool:
    """Say whether a job is as somebody wanted it."""
    if wish.wanted == "resume":
        return upstream.status in FINE_TUNING_JOB.workable
    return upstream.status == {"cancel": "cancelled", "pause": "paused"}[wish.wanted]
