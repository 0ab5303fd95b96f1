"""The desk: many jobs without a thread each, wishes heard, jobs handed back when the worker stops."""

from services.workers.fine_tuning.desk import FineTuningDesk
from services.workers.fine_tuning.task import run_fine_tuning_job
from shared.stores.db.repositories.fine_tuning_claims import requeue_undelivered_jobs
from tests.support.interactive import eventually_async
from tests.support.tuning_bench import TuningBench
from tests.support.tuning_upstream import TuningScript, TuningUpstream


async def all_have(bench: TuningBench, job_ids: list[str], status: str) -> bool:
    """Say whether all jobs are in a state."""
    return all([(await bench.row(job_id)).status == status for job_id in job_ids])


async def test_the_desk_follows_many_jobs_and_hears_what_is_wanted(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(stays_running=True)
    job_ids = [await bench.add() for _ in range(10)]
    for job_id in job_ids:
        await run_fine_tuning_job(bench.context, job_id)
    await eventually_async(lambda: all_have(bench, job_ids, "running"))
    for job_id in job_ids:
        await bench.ask(job_id, "pause")
    await eventually_async(lambda: all_have(bench, job_ids, "paused"))
    for job_id in job_ids:
        await bench.ask(job_id, "cancel")
    await eventually_async(lambda: all_have(bench, job_ids, "cancelled"))
    assert len(provider.jobs) == 10
    assert provider.live_jobs == []


async def test_a_worker_that_stops_hands_its_jobs_back(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    await run_fine_tuning_job(bench.context, job_id)
    await eventually_async(lambda: all_have(bench, [job_id], "running"))
    await (await bench.context.part(FineTuningDesk)).stop()
    assert (await bench.row(job_id)).worker_id is None
    async with bench.context.database.transaction() as session:
        found = await requeue_undelivered_jobs(session, row_limit=10, delivery_seconds=0, redelivery_seconds=30)
    assert found == [job_id]
    provider.script = TuningScript()
    assert (await bench.run(job_id)).status == "succeeded"
    assert len(provider.jobs) == 1


async def test_a_job_of_a_provider_that_is_not_configured_any_more_fails(bench: TuningBench) -> None:
    job_id = await bench.add(provider="gone")
    await run_fine_tuning_job(bench.context, job_id)
    job = await bench.row(job_id)
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "provider_unknown")
