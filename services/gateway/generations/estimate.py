"""What a run will probably take: tokens from earlier runs of the recipe, or from the length of its prompts."""

from decimal import Decimal
from typing import Final

from services.gateway.generations.plan import RunPlan
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.http.answers import Json
from shared.stores.db.repositories.stories import TokenHistory, find_token_history

SAMPLED_CELLS: Final = 200
WIDE_CHARACTER: Final = 0x2E80
"""From here on a character is about one token (Chinese, Japanese, Korean); before it, four letters are."""
LETTERS_PER_TOKEN: Final = 4
GUESS_LOW, GUESS_HIGH = 0.6, 1.6
"""How far a count by characters may be off, either way."""
SPREAD: Final = 2.0
"""Standard errors to either side, when earlier runs say what a story takes."""


async def estimate_run(gateway: Gateway, caller: Principal, plan: RunPlan) -> Json:
    """Return the estimate object. Nothing is written and no model is asked."""
    history = None
    if plan.version_id is not None:
        async with gateway.database.transaction() as session:
            history = await find_token_history(session, caller.project_id, plan.version_id, plan.model)
    notes: list[str] = []
    prompt = await gateway.computing.run(caller.project_id, estimate_prompts, plan, history, notes)
    completion = estimate_completions(plan, history, notes)
    cost = estimate_cost(plan, prompt, completion, notes)
    return {
        "object": "generation.estimate",
        "total": plan.total,
        "model": plan.model,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_usd": cost,
        "seconds_at_least": estimate_seconds(plan, prompt, completion, notes),
        "notes": notes,
    }


def estimate_prompts(plan: RunPlan, history: TokenHistory | None, notes: list[str]) -> dict[str, int]:
    """Return the tokens of all prompts."""
    if history is not None:
        notes.append(f"tokens as in {history.stories} earlier stories of this recipe and model")
        return interval(plan.total, history.prompt_mean, history.prompt_deviation)
    notes.append("prompt tokens estimated from the length of the prompts")
    cells = min(plan.grid.cell_count, -(-plan.total // plan.repeats))
    step = max(1, cells // SAMPLED_CELLS)
    counts = [count_by_characters(plan.prompts.render(plan.grid.cell(index), 0)) for index in range(0, cells, step)]
    expected = sum(counts) / len(counts) * plan.total
    return {"low": int(expected * GUESS_LOW), "expected": int(expected), "high": int(expected * GUESS_HIGH)}


def estimate_completions(plan: RunPlan, history: TokenHistory | None, notes: list[str]) -> dict[str, int] | None:
    """Return the tokens of all stories; None when nothing is known of their length."""
    if history is not None:
        return interval(plan.total, history.completion_mean, history.completion_deviation)
    if plan.max_tokens is None:
        notes.append("the stories' length is unknown: the recipe sets no max_tokens, and no story was written yet")
        return None
    notes.append("no story of this recipe and model was written yet: lengths between nothing and max_tokens")
    return {"low": 0, "expected": plan.max_tokens * plan.total // 2, "high": plan.most_tokens * plan.total}


def interval(total: int, mean: float, deviation: float) -> dict[str, int]:
    """Return the sum of `total` draws, with the spread of such a sum."""
    spread = SPREAD * deviation * total**0.5
    return {
        "low": max(0, int(mean * total - spread)),
        "expected": int(mean * total),
        "high": int(mean * total + spread) + 1,
    }


def estimate_cost(
    plan: RunPlan, prompt: dict[str, int], completion: dict[str, int] | None, notes: list[str]
) -> dict[str, float] | None:
    """Return the cost; None, with a note, when it is unknown."""
    notes.append(plan.quote.note)
    if plan.quote.price is None or completion is None:
        return None
    costs = {name: plan.quote.cost(prompt[name], completion[name]) or Decimal(0) for name in prompt}
    return {name: float(cost) for name, cost in costs.items()}


def estimate_seconds(
    plan: RunPlan, prompt: dict[str, int], completion: dict[str, int] | None, notes: list[str]
) -> float | None:
    """Return the time that the run's own limits force; None when it has none."""
    tokens = prompt["expected"] + (completion or {"expected": 0})["expected"]
    limits = [(plan.request.requests_per_minute, plan.total), (plan.request.tokens_per_minute, tokens)]
    times = [amount / limit * 60 for limit, amount in limits if limit]
    if not times:
        notes.append("the time depends on the provider's speed: the run sets no limit of its own")
        return None
    return round(max(times), 1)


def count_by_characters(text: str) -> int:
    """Return about how many tokens a text has."""
    wide = sum(ord(character) >= WIDE_CHARACTER for character in text)
    return wide + -(-(len(text) - wide) // LETTERS_PER_TOKEN)
