"""What webhooks tell of runs: each end, and each pause that the mill makes, in the transaction that makes it."""

from collections.abc import Sequence

from sqlalchemy import select

from shared.stores.db.models import Outbox
from shared.stores.db.repositories import webhook_endpoints
from tests.integration.workers.generation.conftest import MakeWorker
from tests.support.interactive import eventually_async
from tests.support.upstream import ScriptedUpstream
from tests.support.upstream_script import Script
from tests.support.volume import VolumeBench

TYPES = ["generation.succeeded", "generation.failed", "generation.paused"]


async def listen(bench: VolumeBench) -> None:
    """Have somebody want to be told; nobody delivers it."""
    async with bench.database.transaction() as session:
        await webhook_endpoints.add_endpoint(
            session,
            project_id=bench.project_id,
            name="n",
            url="http://127.0.0.1:9/",
            event_types=TYPES,
            secret="whsec_" + "A" * 32,
        )


async def read_told(bench: VolumeBench) -> Sequence[tuple[str, str]]:
    """Return type and run of what is owed, oldest first."""
    async with bench.database.transaction() as session:
        rows = (await session.scalars(select(Outbox).order_by(Outbox.id))).all()
    return [(row.event_type, row.payload["data"]["id"]) for row in rows]


async def test_a_runs_end_is_told_once(bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream) -> None:
    await listen(bench)
    async with make_worker(), make_worker():
        good = await bench.submit(60)
        await bench.wait_until_over(good)
        upstream.default = Script(text="", status=400, error={"message": "no", "type": "invalid_request_error"})
        bad = await bench.submit(3)

        async def has_ended() -> bool:
            return (await bench.run(bad)).status in {"failed", "paused"}

        await eventually_async(has_ended, what="the second run to end")
        status = (await bench.run(bad)).status
    assert await read_told(bench) == [("generation.succeeded", good), (f"generation.{status}", bad)]


async def test_a_run_that_its_budget_stops_tells_that_it_is_paused(
    bench: VolumeBench, make_worker: MakeWorker, upstream: ScriptedUpstream
) -> None:
    await listen(bench)
    async with make_worker():
        run_id = await bench.submit(20, budget_usd="0.0000000001")

        async def is_paused() -> bool:
            return (await bench.run(run_id)).status == "paused"

        await eventually_async(is_paused, what="the budget to stop the run")
    assert await read_told(bench) == [("generation.paused", run_id)]
