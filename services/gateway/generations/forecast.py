"""What the rest of a run will probably take, by what was seen of it: each story with all of its calls, rejects too."""

from services.gateway.generations.service import count_stories, get_run
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.http.answers import Json
from shared.outside.prices.inference import find_price
from shared.stores.db.models import Generation
from shared.stores.db.repositories.pilots import SeenCosts, measure_seen

FEWEST_STORIES = 2
"""One alone says nothing of how they differ."""
SPREAD = 2.0
"""Standard errors to either side."""
USD_DIGITS = 9


async def forecast_run(gateway: Gateway, caller: Principal, generation_id: str) -> Json:
    """Return the forecast object. Raises: NotFoundError when there is no such run."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.transaction() as session:
        seen = await measure_seen(session, run)
    counts = count_stories(run)
    left = counts["queued"] + counts["running"]
    is_enough = seen.stories >= FEWEST_STORIES and seen.stories > seen.failed
    notes = [*list_doubts(seen), await find_price_note(gateway, run)]
    return {
        "object": "generation.forecast",
        "id": run.id,
        "model": run.model,
        "total": run.total,
        "left": left,
        "seen": shape_seen(seen),
        "prompt_tokens": forecast_tokens(left, seen.stories, seen.prompt_mean, seen.prompt_deviation)
        if is_enough
        else None,
        "completion_tokens": forecast_tokens(left, seen.stories, seen.completion_mean, seen.completion_deviation)
        if is_enough
        else None,
        "cost_usd": forecast(left, seen.stories, seen.usd_mean, seen.usd_deviation)
        if is_enough and seen.is_priced
        else None,
        "spent_usd": float(run.spent_usd),
        "notes": notes,
    }


def list_doubts(seen: SeenCosts) -> list[str]:
    """Return why what was seen says little of the rest, in words."""
    if seen.stories < FEWEST_STORIES:
        return ["too few stories are written to say what the rest will take"]
    if seen.stories == seen.failed:
        return [f"all {seen.stories} stories failed: what the rest will take is unknown"]
    without = [f"{count} {what}" for count, what in ((seen.failed, "failed"), (seen.rejected, "rejected")) if count]
    return [f"of {seen.stories} stories {' and '.join(without)}"] if without else []


def shape_seen(seen: SeenCosts) -> Json:
    """Return what a story took on average, and how many texts were not taken."""
    return {
        "stories": seen.stories,
        "failed": seen.failed,
        "rejected": seen.rejected,
        "calls": seen.calls,
        "rejected_calls": seen.rejected_calls,
        "reject_rate": round(seen.rejected_calls / seen.calls, 4) if seen.calls else 0.0,
        "prompt_tokens_per_story": round(seen.prompt_mean, 1),
        "completion_tokens_per_story": round(seen.completion_mean, 1),
        "cost_usd_per_story": round(seen.usd_mean, USD_DIGITS) if seen.is_priced and seen.stories else None,
    }


async def find_price_note(gateway: Gateway, run: Generation) -> str:
    """Return where the price comes from, or why there is none."""
    target = await gateway.catalog.find_target(run.model)
    if target is None:
        return f"no provider serves the model {run.model!r} now"
    return find_price(target.provider, target.model).note


def forecast(left: int, seen: int, mean: float, deviation: float) -> dict[str, float]:
    """Return the sum over `left` stories, by the mean of those `seen`, which is itself uncertain."""
    spread = SPREAD * deviation * (left + left**2 / seen) ** 0.5
    bounds = {"low": max(0.0, mean * left - spread), "expected": mean * left, "high": mean * left + spread}
    return {name: round(value, USD_DIGITS) for name, value in bounds.items()}


def forecast_tokens(left: int, seen: int, mean: float, deviation: float) -> dict[str, int]:
    """Return the same in whole tokens."""
    return {name: round(value) for name, value in forecast(left, seen, mean, deviation).items()}
