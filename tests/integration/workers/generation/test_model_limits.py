"""A limit that is one model's silences that model: runs of other models with the same key go on."""

import time

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.support.upstream import MODEL, ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

OTHER = "scripted-2"
DAILY = {
    "message": f"Rate limit reached for {MODEL} in organization o on tokens per day",
    "code": "rate_limit_exceeded",
}


async def test_a_model_at_its_limit_pauses_its_run_and_another_models_run_succeeds(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    upstream.models.append(OTHER)
    limited = Script(status=429, error=DAILY, headers={"retry-after": "4980"})
    upstream.choose = lambda call: limited if call.body["model"] == MODEL else None
    paused_id, other_id = await bench.add(12), await bench.add(12, model=OTHER)
    await work_generation(context, paused_id)
    await work_generation(context, other_id)

    paused, other = await bench.run(paused_id), await bench.run(other_id)
    assert (paused.status, paused.failed) == ("paused", 0)
    assert "asks to be left alone until" in (paused.status_reason or "")
    assert (other.status, other.succeeded) == ("succeeded", 12)
    health = await context.healths.find(context.providers.all[0])
    assert health.standing.verdict == "well"
    assert health.models[MODEL].standing.waits_seconds(time.time()) > 0
