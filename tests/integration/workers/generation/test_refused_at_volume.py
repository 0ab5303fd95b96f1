"""A hundred thousand rows whose recipe, account or key is refused from the start: few calls, and no row fails."""

import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script, bad_request
from tests.support.volume import VolumeBench

ROWS = 100_000
MOST_CALLS = 20
REFUSALS = {
    "recipe": bad_request("max_tokens is too large: 100"),
    "account": Script(status=402, error={"message": "Insufficient Balance"}, delay_seconds=0.05),
    "quota": Script(status=429, error={"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    "key": Script(status=401, error={"message": "Incorrect API key", "code": "invalid_api_key"}),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_great_run_that_is_refused_costs_few_calls_cold_and_warm(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    run_id = await bench.add(ROWS)
    for is_warm in (False, True):
        for what, refusal in REFUSALS.items():
            upstream.default = Script()
            if is_warm:  # somebody else was just answered, so that it begins with many calls at once
                await work_generation(context, await bench.add(3))
            upstream.calls.clear()
            upstream.default = refusal
            await bench.set_columns(run_id, status="queued", status_reason=None)
            await work_generation(context, run_id)
            run = await bench.run(run_id)
            print(f"{what}, {'warm' if is_warm else 'cold'}: {len(upstream.calls)} calls: {run.status_reason}")
            assert (run.status, run.failed, run.running) == ("paused", 0, 0)
            assert 1 <= len(upstream.calls) <= MOST_CALLS
    assert await bench.count_stories(run_id, "queued") == ROWS
