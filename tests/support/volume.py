"""What tests of volume generation do and look at: add a run as the gateway does, steer it, read rows and books."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.expand_task import find_source
from shared import ids
from shared.contracts.queue.messages import WorkGeneration
from shared.contracts.recipes.stories import build_stories
from shared.settings import Settings
from shared.stores.db.models import Attempt, Generation, LedgerEntry, Recipe, RecipeVersion, Story
from shared.stores.db.repositories.api_keys import add_api_key
from shared.stores.db.repositories.generation_progress import find_work_order
from shared.stores.db.repositories.projects import ensure_project
from shared.stores.db.repositories.story_expansion import insert_stories
from shared.stores.db.session import Database
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL, ScriptedUpstream

OVER = ("succeeded", "failed", "cancelled")
DYNASTIES = ["唐", "宋", "元"]
ZERO = Decimal(0)


@dataclass
class VolumeBench:
    """A gateway's hands without its HTTP."""

    database: Database
    sender: TaskSender
    project_id: str
    api_key_id: str

    async def add(
        self,
        rows: int = 12,
        *,
        template: str = "写一个关于{{ dynasty }}朝第{{ number }}位英雄的故事。",
        attributes: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        expanded: bool = True,
        format: str = "completion",
        model: str = MODEL,
        rules: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> str:
        """Insert a run of `rows` stories, each with a prompt of its own; return its id."""
        grid = attributes or {"dynasty": DYNASTIES, "number": {"range": [1, max(1, -(-rows // 3))]}}
        generation_id = ids.new_id(ids.GENERATION)
        async with self.database.transaction() as session:
            version = await self._add_version(session, template, grid, parameters or {"max_tokens": 100}, format, model)
            version.rules = dict(rules) if rules else None
            session.add(
                Generation(
                    id=generation_id,
                    project_id=self.project_id,
                    api_key_id=self.api_key_id,
                    recipe_version_id=version.id,
                    status="queued",
                    model=model,
                    parameters=version.parameters,
                    repeats=1,
                    total=rows,
                    **columns,
                )
            )
            await session.flush()
            if expanded:
                await self._insert_rows(session, generation_id, rows)
        return generation_id

    async def _add_version(
        self, session: AsyncSession, template: str, grid: Mapping[str, Any], parameters: Mapping[str, Any], *rest: str
    ) -> RecipeVersion:
        recipe = Recipe(id=ids.new_id(ids.RECIPE), project_id=self.project_id, name=ids.new_id("recipe_"))
        session.add(recipe)
        await session.flush()
        version = RecipeVersion(
            id=ids.new_id(ids.RECIPE_VERSION),
            recipe_id=recipe.id,
            number=1,
            content_hash=ids.new_id("")[:64],
            template=template,
            attributes=dict(grid),
            attribute_names=list(grid),
            repeats=1,
            model=rest[1],
            parameters=dict(parameters),
            format=rest[0],
        )
        session.add(version)
        await session.flush()
        return version

    async def _insert_rows(self, session: AsyncSession, generation_id: str, rows: int) -> None:
        order = await find_work_order(session, generation_id)
        assert order is not None
        source = find_source(order)
        for start in range(0, rows, 5000):
            stories = list(build_stories(source, start, min(rows, start + 5000)))
            await insert_stories(session, generation_id=generation_id, project_id=self.project_id, stories=stories)
        await session.execute(update(Generation).where(Generation.id == generation_id).values(expanded=rows))

    async def submit(self, rows: int = 12, **options: Any) -> str:
        """Insert a run and send its message."""
        generation_id = await self.add(rows, **options)
        await self.send(generation_id)
        return generation_id

    async def send(self, generation_id: str) -> None:
        """Send the message that starts or goes on with a run."""
        await self.sender.send(WorkGeneration(generation_id))

    async def set_status(self, generation_id: str, status: str) -> None:
        """Pause, resume or cancel, as the gateway does."""
        await self.set_columns(generation_id, status=status)

    async def set_columns(self, generation_id: str, **values: Any) -> None:
        """Change the run's row as the gateway may."""
        async with self.database.transaction() as session:
            await session.execute(update(Generation).where(Generation.id == generation_id).values(**values))

    async def run(self, generation_id: str) -> Generation:
        """Return the run's row."""
        async with self.database.transaction() as session:
            return (await session.scalars(select(Generation).where(Generation.id == generation_id))).one()

    async def stories(self, generation_id: str) -> Sequence[Story]:
        """Return the run's rows in order."""
        async with self.database.transaction() as session:
            query = select(Story).where(Story.generation_id == generation_id).order_by(Story.position)
            return (await session.scalars(query)).all()

    async def attempts(self, generation_id: str) -> Sequence[Attempt]:
        """Return the run's calls, in order."""
        async with self.database.transaction() as session:
            query = select(Attempt).where(Attempt.generation_id == generation_id)
            return (await session.scalars(query.order_by(Attempt.subject_id, Attempt.number))).all()

    async def ledger(self, generation_id: str) -> Sequence[LedgerEntry]:
        """Return the run's entries."""
        async with self.database.transaction() as session:
            return (await session.scalars(select(LedgerEntry).where(LedgerEntry.generation_id == generation_id))).all()

    async def count_stories(self, generation_id: str, status: str) -> int:
        """Return how many rows have a status."""
        async with self.database.transaction() as session:
            query = select(func.count()).where(Story.generation_id == generation_id, Story.status == status)
            return (await session.execute(query)).scalar_one()

    async def wait_until_over(self, generation_id: str, timeout_seconds: float = 60) -> Generation:
        """Wait until the run has a final state."""

        async def over() -> bool:
            return (await self.run(generation_id)).status in OVER

        await eventually_async(over, timeout_seconds=timeout_seconds, what=f"{generation_id} to be over")
        return await self.run(generation_id)

    async def wait_until_attempts_settled(self, generation_id: str, timeout_seconds: float = 60) -> Sequence[Attempt]:
        """Wait until no call is without outcome (the reaper closes those of dead workers)."""

        async def settled() -> bool:
            return all(attempt.outcome != "sent" for attempt in await self.attempts(generation_id))

        await eventually_async(settled, timeout_seconds=timeout_seconds, what="attempts to be settled")
        return await self.attempts(generation_id)

    async def assert_counters_exact(self, generation_id: str) -> None:
        """Hold the run's counters against its rows, its money against the books."""
        run, stories = await self.run(generation_id), await self.stories(generation_id)
        attempts, ledger = await self.attempts(generation_id), await self.ledger(generation_id)
        states = Counter(story.status for story in stories)
        counted = (run.running, run.succeeded, run.failed)
        assert counted == (states["running"], states["succeeded"], states["failed"])
        open_usd = sum((attempt.reserved_usd or ZERO for attempt in attempts if attempt.outcome == "sent"), ZERO)
        assert run.reserved_usd == open_usd
        assert run.spent_usd == sum((attempt.spent_usd or ZERO for attempt in attempts), ZERO)
        assert run.spent_usd == sum((entry.cost_usd or ZERO for entry in ledger), ZERO)

    async def assert_books_match(self, generation_id: str, upstream: ScriptedUpstream) -> None:
        """Hold our books against the provider's own log: no call of which we know nothing, and none in our books
        that never was, but for those whose worker died between commit and send."""
        attempts = await self.attempts(generation_id)
        unknown = sum(attempt.outcome == "unknown" for attempt in attempts)
        assert len(attempts) - unknown <= len(upstream.calls) <= len(attempts)


@asynccontextmanager
async def open_volume_bench(database_url: str, redis_url: str) -> AsyncIterator[VolumeBench]:
    """Yield a bench with a project and a key of its own."""
    database = Database(Settings.model_validate({"database_url": database_url}))
    sender = TaskSender(make_celery(redis_url), ServingLine(open_redis(redis_url)))
    async with database.transaction() as session:
        project = await ensure_project(session, "tests")
        key = await add_api_key(session, project_id=project.id, name="k", prefix="sm_", key_hash="h", scopes=[])
        bench = VolumeBench(database, sender, project.id, key.id)
    try:
        yield bench
    finally:
        sender.close()
        await database.close()
