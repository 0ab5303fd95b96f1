"""A budget is hard: what the provider would charge never passes it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings
from tests.support.upstream import Call, ScriptedUpstream, build_answer
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

PRICED = """
[providers.upstream]
concurrency = 32
[providers.upstream.prices."scripted-*"]
input_usd_per_million = 100
output_usd_per_million = 400
"""


@pytest.fixture
async def contexts(
    database_url: str, redis_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> AsyncIterator[list[WorkerContext]]:
    """Three workers with prices, in one loop."""
    (tmp_path / "providers.toml").write_text(PRICED)
    values = {
        "database_url": database_url,
        "redis_url": redis_url,
        "upstream_url": upstream.url,
        "providers_file": tmp_path / "providers.toml",
    }
    opened = [await open_context(Settings.model_validate(values), WorkerSettings()) for _ in range(3)]
    yield opened
    for context in opened:
        await context.close()


def price_of(call: Call) -> Decimal:
    """What the provider charges, by its own count of tokens."""
    usage = build_answer(call, Script())["usage"]
    return (100 * Decimal(usage["prompt_tokens"]) + 400 * Decimal(usage["completion_tokens"])) / 1_000_000


async def test_three_workers_never_spend_more_than_the_budget_and_use_nearly_all_of_it(
    bench: VolumeBench, contexts: list[WorkerContext], upstream: ScriptedUpstream
) -> None:
    upstream.default = Script(delay_seconds=0.01)
    budget = Decimal("1.00")
    run_id = await bench.add(600, budget_usd=budget)
    await asyncio.gather(*(work_generation(context, run_id) for context in contexts))

    run = await bench.run(run_id)
    assert (run.status, run.status_reason) == ("paused", "budget")
    charged = sum((price_of(call) for call in upstream.calls), Decimal(0))
    assert Decimal("0.95") * budget <= charged <= budget
    assert run.spent_usd == charged
    await bench.assert_counters_exact(run_id)


async def test_a_run_goes_on_when_its_budget_is_raised(
    bench: VolumeBench, contexts: list[WorkerContext], upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(12, budget_usd=Decimal("0.0001"))
    await work_generation(contexts[0], run_id)
    assert (await bench.run(run_id)).status == "paused"
    assert not upstream.calls

    await bench.set_columns(run_id, status="running", budget_usd=Decimal(5))
    await work_generation(contexts[0], run_id)
    assert (await bench.run(run_id)).status == "succeeded"


async def test_a_call_whose_outcome_is_lost_stays_charged_with_its_worst_case(
    bench: VolumeBench, contexts: list[WorkerContext], upstream: ScriptedUpstream
) -> None:
    upstream.queue(Script(cut_after_tokens=0))
    run_id = await bench.add(3, budget_usd=Decimal(5))
    await work_generation(contexts[0], run_id)

    attempts = await bench.attempts(run_id)
    cut = [attempt for attempt in attempts if attempt.failure_class == "cut_connection"]
    assert len(attempts) == 4
    assert [attempt.spent_usd for attempt in cut] == [attempt.reserved_usd for attempt in cut]
    await bench.assert_counters_exact(run_id)


async def test_a_budget_without_an_upper_bound_of_a_calls_cost_pauses_the_run(
    bench: VolumeBench, contexts: list[WorkerContext], upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(3, budget_usd=Decimal(5), format="chat", parameters={"temperature": 1})
    await work_generation(contexts[0], run_id)

    run = await bench.run(run_id)
    assert run.status == "paused"
    assert "max_tokens" in (run.status_reason or "")
    assert not upstream.calls
