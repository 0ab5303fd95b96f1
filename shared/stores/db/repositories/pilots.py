"""A run's pilot: so many stories, spread evenly over its rows, that are written first. They are rows like all
others, in their places; what they cost is what the rest is forecast from."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

BY_PILOT: Final = "pilot"
"""`status_reason` of a run whose pilot is over."""
MOST_SEEN: Final = 1_000
"""Stories that a forecast is made from, where there was no pilot: the first of the run."""

POSITIONS: Final = """
    select turn * piloted.total / piloted.pilot from generation as piloted, generate_series(0, piloted.pilot - 1) as
    turn where piloted.id = :generation_id
"""

END: Final = text(f"""
    update generation
    set status = 'paused', status_reason = :reason, pilot_is_over = true, limited_by = null
    where id = :generation_id and status in ('queued', 'running') and not pilot_is_over
      and expanded > (pilot - 1) * total / pilot
      and not exists (
          select 1 from story
          where story.generation_id = generation.id and story.position = any(array({POSITIONS}))
            and story.status in ('queued', 'running'))
    returning 1
""")  # noqa: S608  the only thing put in is a constant of ours

SEEN: Final = text(f"""
    with seen as materialized (
        select story.id from story join generation on generation.id = story.generation_id
        where story.generation_id = :generation_id and story.status in ('succeeded', 'failed', 'rejected', 'cancelled')
          and (generation.pilot is null or story.position = any(array({POSITIONS})))
        order by story.position limit :most),
    calls as (
        select seen.id, count(attempt.id) as calls, count(attempt.rejected_because) as rejected,
               coalesce(sum(attempt.prompt_tokens), 0) as prompt,
               coalesce(sum(attempt.completion_tokens), 0) as completion, coalesce(sum(attempt.spent_usd), 0) as usd,
               count(attempt.id) filter (where attempt.spent_usd is null) as unpriced
        from seen left join attempt on attempt.subject_id = seen.id
        group by seen.id)
    select count(*) as stories, coalesce(sum(calls), 0) as calls, coalesce(sum(rejected), 0) as rejected_calls,
           coalesce(avg(prompt), 0)::float8 as prompt_mean, coalesce(stddev_samp(prompt), 0)::float8 as
           prompt_deviation, coalesce(avg(completion), 0)::float8 as completion_mean,
           coalesce(stddev_samp(completion), 0)::float8 as completion_deviation,
           coalesce(avg(usd), 0)::float8 as usd_mean, coalesce(stddev_samp(usd), 0)::float8 as usd_deviation,
           coalesce(sum(unpriced), 0) = 0 as is_priced
    from calls
""")  # noqa: S608  the only thing put in is a constant of ours


@dataclass(frozen=True, slots=True)
class SeenCosts:
    """What stories took that are over, each with all of its calls: means and standard deviations."""

    stories: int
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
    return (await session.execute(END, values)).scalar() is not None


async def measure_seen(session: AsyncSession, generation_id: str) -> SeenCosts:
    """Return what the pilot's stories took; of a run without one, its first."""
    found = await session.execute(SEEN, {"generation_id": generation_id, "most": MOST_SEEN})
    values: dict[str, Any] = dict(found.mappings().one())
    return SeenCosts(**{**values, **{name: int(values[name]) for name in ("stories", "calls", "rejected_calls")}})
