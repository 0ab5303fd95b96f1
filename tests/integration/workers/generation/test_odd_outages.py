"""Outages that do not look like one, and refusals that look like an outage: no row pays for the first, each for its
own of the second."""

import orjson
import pytest

from services.workers.generation.work_task import work_generation
from services.workers.process.context import WorkerContext
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

PAGE = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
ODD_OUTAGES = {
    "a page with 404": Script(status=404, raw_body=PAGE, content_type="text/html"),
    "a page with 200": Script(raw_body=PAGE, content_type="text/html"),
    "a login": Script(status=302, raw_body=b"", headers={"location": "https://sso.example/"}),
    "no capacity": Script(status=498, error={"message": "Flex tier capacity exceeded", "code": "capacity_exceeded"}),
    "no delay": Script(status=429, error={"message": "Resource exhausted"}, headers={"retry-after": "0"}),
}


@pytest.mark.parametrize(
    "name",
    [
        "a login",
        "a page with 404",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("a page with 200", "no capacity", "no delay")),
    ],
)
async def test_an_outage_that_does_not_look_like_one_fails_no_row(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream, name: str
) -> None:
    begins = 40

    def choose(call: Call) -> Script | None:
        if call.number < begins:
            return None
        is_over = call.started_at > upstream.calls[begins].started_at + 1.5
        return None if is_over else ODD_OUTAGES[name]

    upstream.choose = choose
    run_id = await bench.add(100)
    await work_generation(context, run_id)
    run = await bench.run(run_id)
    assert (run.succeeded, run.failed) == (100, 0)


async def test_prompts_that_a_safety_check_refuses_with_403_are_not_the_keys_doing(
    bench: VolumeBench, context: WorkerContext, upstream: ScriptedUpstream
) -> None:
    words = {"error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", "code": "The caller …"}
    refusal = Script(status=403, raw_body=orjson.dumps(words))
    upstream.choose = lambda call: refusal if any(f"第{bad}位" in str(call.body) for bad in (1, 2, 3)) else None
    run_id = await bench.add(60)
    await work_generation(context, run_id)
    run, stories = await bench.run(run_id), await bench.stories(run_id)
    assert (run.succeeded, run.failed) == (51, 9)
    assert {story.failure_class for story in stories if story.status == "failed"} == {"content_filter"}
