"""A run's pilot: so many stories, spread evenly over its rows, that are written first. They are rows like all
others, in their places; what they cost is what the rest is forecast from."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import Generation
from shared.stores.db.repositories.generation_progress import tell_change

BY_PILOT: Final = "pilot"
"""`status_reason` of a run whose pilot is over."""
MOST_SEEN: Final = 1_000
"""Stories that a forecast is made from, where there was no pilot: the first of the run."""

POSITIONS: Final = """
    select turn * piloted.total / piloted.pilot
    from (select pilot, case when layers is null then total else total / repeats * cast(layers ->> 0 as bigint) end
          from generation where id = :generation_id) as piloted (pilot, total),
         generate_series(0, piloted.pilot - 1) as turn
"""
"""Of the run as it was made: the repeats that were added to it later stand behind."""

END: Final = text(f"""
    update generation
    set status = 'paused', status_reason = :reason, pilot_is_over = true, limited_by = null
    where id = :generation_id and status in ('queued', 'running') and pilot is not null and not pilot_is_over
      and expanded > all(array({POSITIONS}))
      and not exists (
          select 1 from story
          where story.generation_id = generation.id and story.position = any(array({POSITIONS}))
            and story.status in ('queued', 'running'))
    returning status, project_id, recipe_version_id is null as is_of_batch
""")  # noqa: S608  the only thing put in is a constant of ours

OVER: Final = """
    select id, status = 'failed' as is_failed, status = 'rejected' as is_rejected from story
    where generation_id = :generation_id and status in ('succeeded', 'failed', 'rejected', 'cancelled')
      and status <> 'cancelled'
"""
"""A row that was cancelled with its run took nothing, and says nothing of what one takes."""
FIRST: Final = f"{OVER} order by position limit :most"
OF_PILOT: Final = f"{OVER} and position = any(array({POSITIONS}))"
MEASURE: Final = """
    with seen as materialized ({seen}),
    calls as (
        select seen.id, is_failed, is_rejected, count(attempt.id) as calls, count(attempt.rejected_because) as rejected,
               coalesce(sum(attempt.prompt_tokens), 0) as prompt,
               coalesce(sum(attempt.completion_tokens), 0) as completion, coalesce(sum(attempt.spent_usd), 0) as usd,
               count(attempt.id) filter (where attempt.spent_usd is null) as unpriced
        from seen left join attempt on attempt.subject_id = seen.id
        group by seen.id, is_failed, is_rejected)
    select count(*) as stories, count(*) filter (where is_failed) as failed,
           count(*) filter (where is_rejected) as rejected,
           coalesce(sum(calls), 0) as calls, coalesce(sum(rejected), 0) as rejected_calls,
           coalesce(avg(prompt), 0)::float8 as prompt_mean, coalesce(stddev_samp(prompt), 0)::float8 as
           prompt_deviation, coalesce(avg(completion), 0)::float8 as completion_mean,
           coalesce(stddev_samp(completion), 0)::float8 as completion_deviation,
           coalesce(avg(usd), 0)::float8 as usd_mean, coalesce(stddev_samp(usd), 0)::float8 as usd_deviation,
           coalesce(sum(unpriced), 0) = 0 as is_priced
    from calls
"""
MEASURE_FIRST: Final = text(MEASURE.format(seen=FIRST))
MEASURE_PILOT: Final = text(MEASURE.format(seen=OF_PILOT))


@dataclass(frozen=True, slots=True)
class SeenCosts:
    """What stories took that are over, each with all of its calls: means and standard deviations."""

    stories: int
    failed: int
    """Of the stories: no text came."""
    rejected: int
    """Of the stories: no text kept the rules."""
    calls: int
    rejected_calls: int
    prompt_mean: float
    prompt_deviation: float
    completion_mean: float
    completion_deviation: float
    usd_mean: float
    usd_deviation: float
    is_priced: bool
    """Whether the cost of every call is known."""


async def end_pilot(session: AsyncSession, generation_id: str) -> bool:
    """Pause a run whose pilot is written; False when it has none, or not yet."""
    values = {"generation_id": generation_id, "reason": BY_PILOT}
    ended = (await session.execute(END, values)).one_or_none()
    return await tell_change(session, generation_id, ended) is not None


async def measure_seen(session: AsyncSession, run: Generation) -> SeenCosts:
    """Return what the stories of a run's pilot took that are over; of a run without one, its first."""
    statement, values = MEASURE_PILOT, dict[str, Any](generation_id=run.id)
    if run.pilot is None:  # no more are looked for than are over: the rows of the rest may be a million
        over = run.succeeded + run.failed + run.rejected
        statement, values = MEASURE_FIRST, {**values, "most": min(over, MOST_SEEN)}
    found: dict[str, Any] = dict((await session.execute(statement, values)).mappings().one())
    counts = {name: int(found[name]) for name in ("stories", "failed", "rejected", "calls", "rejected_calls")}
    return SeenCosts(**{**found, **counts})
