"""What providers and files do wrong, and what a job makes of it."""

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest

from services.workers.fine_tuning.running import run_job
from shared.stores.db.repositories.fine_tuning_claims import read_wishes
from tests.support.interactive import eventually_async
from tests.support.tuning_bench import TuningBench, make_rows
from tests.support.tuning_upstream import Fault, TuningScript, TuningUpstream

JOBS = "/v1/fine_tuning/jobs$"


@pytest.mark.parametrize("status", [500, 429])
async def test_an_error_after_the_job_was_made_leaves_one_job(
    bench: TuningBench, provider: TuningUpstream, status: int
) -> None:
    provider.faults.append(Fault("POST", JOBS, status, after=True))
    job = await bench.run(await bench.add())
    assert job.status == "succeeded"
    assert len(provider.jobs) == 1


async def test_a_storm_of_429_is_waited_out(bench: TuningBench, provider: TuningUpstream) -> None:
    storm = {"retry-after-ms": "20"}
    provider.faults += [Fault("POST", JOBS, 429, times=2, headers=storm), Fault("GET", "/events$", 429, times=2)]
    job = await bench.run(await bench.add())
    assert (job.status, job.tries) == ("succeeded", 0)
    assert len(provider.jobs) == 1


async def test_doubled_and_unordered_events_come_out_once_and_in_order(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=60, steps_per_look=60, events_doubled=True, events_shuffled=True)
    bench.override(event_page=16)
    job_id = await bench.add()
    await bench.run(job_id)
    events = await bench.events(job_id)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    [told] = provider.events.values()
    ours = [event.upstream_id for event in events if event.upstream_id]
    assert sorted(ours) == sorted(event["id"] for event in told)
    steps = [event.data["step"] for event in events if event.type == "metrics" and event.data]
    assert steps == list(range(1, 61))


async def test_a_provider_without_events_and_suffix_fills_the_curve_from_its_result_file(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(events=False, results_base64=True, results_late=2)
    bench.override(events=False, suffix=False, checkpoints=False, method=False, adoption="training_file")
    job_id = await bench.add(suffix="ultraman", method={"type": "supervised"}, hyperparameters={"n_epochs": 2})
    job = await bench.run(job_id)
    assert job.status == "succeeded"
    assert provider.bodies == [{"model": "base-1", "training_file": "file-up1", "hyperparameters": {"n_epochs": 2}}]
    assert [metric.train_loss for metric in await bench.metrics(job_id)] == [2.0 / step for step in range(1, 7)]
    warnings = [event.message for event in await bench.events(job_id) if event.level == "warn"]
    assert warnings == ["The provider upstream knows no suffix: it is left out"]


async def test_a_job_that_vanishes_fails_with_its_reason(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    held = await bench.claim(job_id)
    assert held is not None
    task = asyncio.create_task(run_job(held))

    async def is_running() -> bool:
        return (await bench.row(job_id)).status == "running"

    await eventually_async(is_running)
    provider.lost.update(provider.jobs)
    await eventually_async(lambda: _is(task.done()), timeout_seconds=40)
    job = await bench.row(job_id)
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "upstream_job_lost")


async def _is(value: bool) -> bool:
    return value


async def test_success_without_a_model_is_a_failure(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(names_no_model=True)
    job = await bench.run(await bench.add())
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "no_model")


async def test_a_provider_that_validates_for_ever_is_given_up(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(validates_for_ever=True)
    bench.context.worker_settings.fine_tuning_validation_seconds = 0.2
    job = await bench.run(await bench.add())
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "validation_timeout")
    assert [made["status"] for made in provider.jobs.values()] == ["cancelled"]


async def test_the_providers_own_failure_is_told(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(error={"code": "bad_data", "message": "too strange", "param": "training_file"})
    job_id = await bench.add()
    job = await bench.run(job_id)
    assert (job.status, job.error) == ("failed", provider.script.error)
    assert [attempt.outcome for attempt in await bench.attempts(job_id)] == ["failed"]
    assert len(await bench.ledger(job_id)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n", "The training file is empty."),
        (
            b'{"prompt":"a","completion":"b"}\n{"prompt":1,"completion":"b"}\nnope\n',
            "The training file has 2 lines that cannot be used",
        ),
        (b'{"input":{}}\n', 'line 1: neither "messages" nor "prompt" and "completion" found'),
    ],
)
async def test_bad_training_files_never_reach_the_provider(
    bench: TuningBench, provider: TuningUpstream, content: bytes, message: str
) -> None:
    job_id = await bench.add(content)
    job = await bench.run(job_id)
    assert job.error is not None
    assert (job.status, job.error["code"], job.error["param"]) == ("failed", "invalid_training_file", "training_file")
    assert message in job.error["message"]
    assert provider.requests == []
    assert await bench.ledger(job_id) == []


async def test_each_bad_line_is_an_event_with_its_number(bench: TuningBench) -> None:
    job_id = await bench.add(b'{"prompt":"a","completion":"b"}\n{"prompt":1,"completion":"b"}\nnope\n')
    await bench.run(job_id)
    told = [event.message for event in await bench.events(job_id) if event.level == "error"]
    assert told[0] == 'training file, line 2: "prompt" must be a string, found a number'
    assert told[1].startswith("training file, line 3: not JSON at column 1")


async def test_validating_on_training_prompts_is_refused_unless_forced(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    refused = await bench.run(await bench.add(make_rows(6), validation=make_rows(2)))
    assert refused.error is not None
    assert refused.error["code"] == "overlapping_validation"
    forced = await bench.run(await bench.add(make_rows(6), validation=make_rows(2), overlap_allowed=True))
    assert forced.status == "succeeded"
    assert len(provider.jobs) == 1


async def test_a_file_of_another_purpose_is_refused(bench: TuningBench) -> None:
    job = await bench.run(await bench.add(training_file_id=await bench.add_file(make_rows(), "batch")))
    assert job.error is not None
    assert job.error["code"] == "invalid_file_purpose"


async def test_a_budget_pauses_the_job_and_resuming_lifts_it(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(steps=12, steps_per_look=1)
    job_id = await bench.add(budget_usd=Decimal("0.5"))
    held = await bench.claim(job_id)
    assert held is not None
    task = asyncio.create_task(follow_wishes(bench, job_id))
    running = asyncio.create_task(run_job(held))

    async def is_paused() -> bool:
        return (await bench.row(job_id)).status == "paused"

    await eventually_async(is_paused)
    job = await bench.row(job_id)
    assert job.cost_usd is not None
    assert job.cost_usd >= Decimal("0.5")
    change = (await bench.changes(job_id))[-1]
    assert (change.to_status, change.changed_by) == ("paused", "budget")
    await bench.ask(job_id, "resume")
    await asyncio.wait_for(running, 30)
    task.cancel()
    assert (await bench.row(job_id)).status == "succeeded"


async def test_a_cancel_reaches_the_provider_and_names_who_asked(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.script = TuningScript(stays_running=True)
    job_id = await bench.add()
    held = await bench.claim(job_id)
    assert held is not None
    running, task = asyncio.create_task(run_job(held)), asyncio.create_task(follow_wishes(bench, job_id))

    async def is_running() -> bool:
        return (await bench.row(job_id)).status == "running"

    await eventually_async(is_running)
    await bench.ask(job_id, "cancel")
    await asyncio.wait_for(running, 20)
    task.cancel()
    change = (await bench.changes(job_id))[-1]
    assert (change.to_status, change.changed_by) == ("cancelled", bench.api_key_id)
    assert [made["status"] for made in provider.jobs.values()] == ["cancelled"]
    assert len(await bench.ledger(job_id)) == 1


async def test_a_job_that_no_provider_knows_is_cancelled_at_once(bench: TuningBench, provider: TuningUpstream) -> None:
    job_id = await bench.add()
    await bench.ask(job_id, "cancel")
    job = await bench.row(job_id)
    assert (job.status, job.step) == ("cancelled", "done")
    assert await bench.claim(job_id) is None
    assert provider.requests == []


async def test_overfitting_and_a_loss_that_is_no_number_raise_an_alarm_each(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(steps=12, valid_losses=[1.0, 0.5, 0.6, 0.7, 0.8, 0.9], nan_at=5)
    job_id = await bench.add()
    await bench.run(job_id)
    alarms = [event.data["code"] for event in await bench.events(job_id) if event.level == "warn" and event.data]
    assert alarms == ["loss_not_a_number", "overfitting"]


async def follow_wishes(bench: TuningBench, job_id: str) -> None:
    """Let the held job hear what is wanted, as the desk does."""
    held = bench.held[job_id]
    while True:
        async with bench.context.database.transaction() as session:
            wishes = await read_wishes(session, [held.claimed])
        held.hear(wishes.get((job_id, held.claimed.attempt)))
        await asyncio.sleep(0.02)


async def test_a_disk_that_takes_no_files_counts_as_a_try_and_is_no_store_that_is_away(
    bench: TuningBench, provider: TuningUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await bench.add()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "unmounted"))
    running = asyncio.create_task(bench.run(job_id))

    async def has_counted() -> bool:
        return (await bench.row(job_id)).tries >= 2

    await eventually_async(has_counted, what="two tries to be counted")
    monkeypatch.setattr(tempfile, "tempdir", None)
    job = await running
    assert job.status == "succeeded"
    assert len(provider.jobs) == 1


async def test_a_job_waits_while_its_account_has_no_credit(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.faults.append(Fault("GET", "/events$", 402, times=3))
    job = await bench.run(await bench.add())
    assert (job.status, job.tries) == ("succeeded", 0)
    assert len(provider.jobs) == 1
