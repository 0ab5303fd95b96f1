"""Care with a run that no worker held for a lease's time: one of its rows may have killed them all while its prompt was
made, before its claim was on the books, where deaths are counted. So its first rows are taken one by one, and each is
counted before its prompt is made."""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from services.workers.generation.claim import ClaimedBatch, plan_claim
from services.workers.generation.run import Run
from services.workers.leases.death_count import DeathCount
from services.workers.leases.deaths import say_worker_died
from shared.observability.logs import get_logger
from shared.outside.providers.failures import FailureClass
from shared.stores.db.repositories.generation_progress import Funds
from shared.stores.db.repositories.story_claims import QueuedStory
from shared.stores.db.repositories.story_results import UnsendableStory

MOST_DEATHS: Final = 5
"""Few, since no other row is in the moment that is counted, and each of these deaths stops the whole process."""

log = get_logger(__name__)


class Caution:
    """Of one slice: how many more rows it takes one by one. None, until it begins."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._left = 0
        self._turn = asyncio.Lock()
        """One prompt at a time: a neighbour that waits for Redis would be counted with the row that kills."""

    @property
    def is_on(self) -> bool:
        """Whether rows are to be claimed one by one."""
        return self._left > 0

    def begin(self, rows: int) -> None:
        """Take the next rows one by one."""
        self._left = rows

    async def plan(self, run: Run, stories: Sequence[QueuedStory], funds: Funds | None) -> ClaimedBatch:
        """Do as `plan_claim`, and count what may kill this worker meanwhile; a row that did it too often fails."""
        if not self.is_on or len(stories) != 1:
            return plan_claim(run, stories, funds)
        async with self._turn:
            self._left -= 1
            deaths = DeathCount(self._redis, "prompt", stories[0].id)
            await deaths.begin()
            async with deaths.watching():
                if deaths.count < MOST_DEATHS:
                    return plan_claim(run, stories, funds)
                return self._give_up(stories[0], deaths)

    def _give_up(self, story: QueuedStory, deaths: DeathCount) -> ClaimedBatch:
        reason = say_worker_died(deaths.count, deaths.defect)
        log.error("row_given_up", kind="story", row=story.id, reason=reason)
        failed = UnsendableStory(story.id, FailureClass.INTERNAL_ERROR.value, reason)
        return ClaimedBatch(unsendable=[failed])
