"""The run as the workers see it: the order of work, its counters and money, its state.

The row is shared by all workers of a run. Touch it last in a transaction: its lock is held to the commit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.contracts.statuses import GENERATION
from shared.stores.db.repositories.outbox import add_webhook_events

ZERO_USD: Final = Decimal(0)
UNFILLED: Final = " rejected: no text that keeps the rules came in as many tries as the recipe allows"
"""Why a run has fewer stories than its grid asks for, after their number."""
BATCH_PAUSE_SECONDS: Final = 300
"""Nobody can resume the run of a batch: whatever stopped it, it tries again so often, until the batch expires."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What does not change while a run lasts: the run and its recipe version, or the batch that it answers."""

    id: str
    project_id: str
    api_key_id: str
    model: str
    parameters: dict[str, Any]
    repeats: int
    total: int
    format: str
    template: str
    attributes: dict[str, Any]
    attribute_names: list[str]
    content_hash: str
    batch_id: str | None = None
    """The run answers a batch: there is no recipe, and each row brings its request."""
    batch_endpoint: str | None = None
    layers: list[int] | None = None
    rules: dict[str, Any] | None = None
    """What a story must be to be taken."""
    selection: dict[str, Any] | None = None
    pools: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """What may change under a worker's feet."""

    status: str
    expanded: int
    total: int
    open: int
    """Rows without a final state."""
    running: int
    succeeded: int
    is_new: bool
    """No row was ever claimed."""
    budget_usd: Decimal | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    is_pilot: bool = False
    """Only the rows of its pilot are written now."""

    @property
    def is_active(self) -> bool:
        """Whether new calls may be made."""
        return self.status in GENERATION.workable


@dataclass(frozen=True, slots=True)
class Funds:
    """The money of a run, read under its lock."""

    budget_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def left_usd(self) -> Decimal:
        """What may still be reserved."""
        return self.budget_usd - self.spent_usd - self.reserved_usd


@dataclass(slots=True)
class Progress:
    """By how much a batch changes the counters."""

    running: int = 0
    succeeded: int = 0
    failed: int = 0
    rejected: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reserved_usd: Decimal = ZERO_USD
    spent_usd: Decimal = ZERO_USD
    cost_known: bool = True


LOAD_WORK_ORDER: Final = text("""
    select generation.id, generation.project_id, generation.api_key_id, generation.model, generation.parameters,
           generation.repeats, generation.total, coalesce(recipe_version.format, '') as format,
           coalesce(recipe_version.template, '') as template,
           coalesce(recipe_version.attributes, '{}') as attributes,
           coalesce(recipe_version.attribute_names, '[]') as attribute_names,
           coalesce(recipe_version.content_hash, '') as content_hash,
           batch.id as batch_id, batch.endpoint as batch_endpoint, generation.layers, recipe_version.rules,
           recipe_version.selection, recipe_version.pools
    from generation
    left join recipe_version on recipe_version.id = generation.recipe_version_id
    left join batch on batch.generation_id = generation.id
    where generation.id = :generation_id
""")

STATE_COLUMNS: Final = """
    generation.status, generation.expanded, generation.total,
    generation.total - generation.succeeded - generation.failed - generation.rejected as open, generation.running,
    generation.succeeded, generation.started_at is null as is_new,
    generation.budget_usd, generation.requests_per_minute, generation.tokens_per_minute,
    generation.pilot is not null and not generation.pilot_is_over as is_pilot
"""

# A run's row is locked by every claim and settlement: one that is locked just now is not waited for. A claim holds it,
# too, and the others must not miss their beat.
HOLD_MANY: Final = text(f"""
    with rows as materialized (
        select * from unnest(cast(:ids as text[]), cast(:causes as text[])) as rows (id, limited_by)),
    free as (
        select generation.id, rows.limited_by as cause from generation join rows on rows.id = generation.id
        for update of generation skip locked),
    held as (
        update generation
        set delivered_at = now(), limited_by = case when status = 'running' then free.cause end
        from free where generation.id = free.id)
    select generation.id, {STATE_COLUMNS} from generation join rows on rows.id = generation.id
""")  # noqa: S608  the only thing put in is a constant of ours

HOLD: Final = text(f"""
    update generation
    set delivered_at = now(), limited_by = case when status = 'running' then cast(:limited_by as text) end
    where id = :generation_id
    returning {STATE_COLUMNS}
""")  # noqa: S608  the only thing put in is a constant of ours

ADD_PROGRESS: Final = text("""
    update generation
    set running = running + :running, succeeded = succeeded + :succeeded, failed = failed + :failed,
        rejected = rejected + :rejected, prompt_tokens = prompt_tokens + :prompt_tokens,
        completion_tokens = completion_tokens + :completion_tokens,
        reserved_usd = reserved_usd + :reserved_usd, spent_usd = spent_usd + :spent_usd,
        cost_known = cost_known and :cost_known
    where id = :generation_id
""")

FINISH: Final = text("""
    update generation
    set status = case when succeeded = 0 and failed > 0 and rejected = 0 then 'failed' else 'succeeded' end,
        status_reason = case when rejected > 0 then cast(rejected as text) || cast(:unfilled as text) end,
        limited_by = null, finished_at = now(), started_at = coalesce(started_at, now())
    where id = :generation_id and status in ('queued', 'running') and expanded = total
      and succeeded + failed + rejected = total
    returning status, project_id, recipe_version_id is null as is_of_batch
""")

PAUSE: Final = text("""
    update generation
    set status = 'paused', status_reason = :reason, limited_by = null,
        resumes_at = coalesce(cast(:resumes_at as timestamptz), case
            when recipe_version_id is null then now() + make_interval(secs => :batch_seconds) end)
    where id = :generation_id and status in ('queued', 'running')
    returning status, project_id, recipe_version_id is null as is_of_batch
""")


async def find_work_order(session: AsyncSession, generation_id: str) -> WorkOrder | None:
    """Return the run with its recipe version."""
    row = (await session.execute(LOAD_WORK_ORDER, {"generation_id": generation_id})).mappings().one_or_none()
    return WorkOrder(**row) if row else None


async def hold_generation(session: AsyncSession, generation_id: str, limited_by: str | None) -> RunState | None:
    """Say that a worker holds the run, and what slows it; return how the run stands."""
    found = await session.execute(HOLD, {"generation_id": generation_id, "limited_by": limited_by})
    row: RowMapping | None = found.mappings().one_or_none()
    return RunState(**row) if row else None


async def hold_generations(session: AsyncSession, causes: Mapping[str, str | None]) -> dict[str, RunState]:
    """Say that a worker holds runs, and what slows each; return how they stand. Waits for no lock."""
    found = (await session.execute(HOLD_MANY, {"ids": list(causes), "causes": list(causes.values())})).mappings()
    return {row["id"]: RunState(**{name: value for name, value in row.items() if name != "id"}) for row in found}


async def lock_funds(session: AsyncSession, generation_id: str) -> Funds | None:
    """Lock the run and return its money; None when it has no budget."""
    statement = text("select budget_usd, spent_usd, reserved_usd from generation where id = :generation_id for update")
    row = (await session.execute(statement, {"generation_id": generation_id})).one()
    return None if row[0] is None else Funds(*row)


async def add_progress(session: AsyncSession, generation_id: str, progress: Progress) -> None:
    """Change the counters in the transaction that changes the stories: they are exact at any commit."""
    await session.execute(ADD_PROGRESS, {"generation_id": generation_id, **asdict(progress)})


async def finish_generation(session: AsyncSession, generation_id: str) -> str | None:
    """End the run if every row has a final state; return the new status, None when there is still work."""
    values = {"generation_id": generation_id, "unfilled": UNFILLED}
    ended = (await session.execute(FINISH, values)).one_or_none()
    return await tell_change(session, generation_id, ended)


async def pause_generation(
    session: AsyncSession, generation_id: str, reason: str, resumes_at: datetime | None = None
) -> bool:
    """Pause an active run, say why, and until when if it goes on by itself; False when it was not active."""
    values = {
        "generation_id": generation_id,
        "reason": reason,
        "resumes_at": resumes_at,
        "batch_seconds": BATCH_PAUSE_SECONDS,
    }
    paused = (await session.execute(PAUSE, values)).one_or_none()
    return await tell_change(session, generation_id, paused) is not None


async def tell_change(session: AsyncSession, generation_id: str, changed: Row[Any] | None) -> str | None:
    """Owe the webhook of a run that has changed to a status, and return the status. The run of a batch tells nothing:
    its batch does."""
    if changed is None:
        return None
    status: str = changed.status
    if not changed.is_of_batch:
        await add_webhook_events(session, changed.project_id, f"generation.{status}", {"id": generation_id})
    return status
