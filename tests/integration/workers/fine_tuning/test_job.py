"""A job from its files to a registered model."""

from decimal import Decimal

from tests.support.tuning_bench import TuningBench, make_rows
from tests.support.tuning_upstream import TuningUpstream


async def test_a_job_becomes_a_registered_model(bench: TuningBench, provider: TuningUpstream) -> None:
    job_id = await bench.add(suffix="ultraman", seed=7, validation=make_rows(3, start=100), job_metadata={"k": "v"})
    job = await bench.run(job_id)
    [made] = provider.jobs.values()
    assert (job.status, job.step, job.error) == ("succeeded", "done", None)
    assert provider.bodies[0]["suffix"] == "ultraman"
    assert provider.bodies[0]["seed"] == 7
    assert provider.bodies[0]["metadata"] == {"storymill_job": job_id, "k": "v"}
    assert provider.bodies[0]["validation_file"] == "file-up2"
    [model] = await bench.models(job_id)
    assert model.name == job.fine_tuned_model == made["fine_tuned_model"]
    assert model.template == {
        "format": "completion",
        "separator": "位英雄 ->",
        "stop": "。\n",
        "starts_with_space": True,
        "max_tokens": None,
    }
    changes = [(change.from_status, change.to_status) for change in await bench.changes(job_id)]
    assert changes[0] == (None, "validating_files")
    assert [to for _, to in changes] == ["validating_files", "queued", "running", "succeeded"]


async def test_events_are_gapless_and_those_of_the_provider(bench: TuningBench, provider: TuningUpstream) -> None:
    job_id = await bench.add()
    await bench.run(job_id)
    events = await bench.events(job_id)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    [told] = provider.events.values()
    assert [event.upstream_id for event in events if event.upstream_id] == [event["id"] for event in told]
    codes = [event.data["code"] for event in events if event.data and "code" in event.data]
    assert codes == ["created", "estimated", "enqueued", "started", "result_file", "model", "succeeded"]


async def test_the_result_file_has_the_columns_of_the_legacy_tool(bench: TuningBench) -> None:
    job_id = await bench.add()
    await bench.run(job_id)
    lines = (await bench.read_result(job_id)).splitlines()
    assert lines[0] == (
        "step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy,"
        "validation_loss,validation_token_accuracy"
    )
    assert lines[1] == "1,,,2.0,,0.01,,"
    assert lines[2] == "2,,,1.0,,0.02,1.5,0.04"
    assert len(lines) == 7


async def test_the_training_is_on_the_books_once_at_the_price_of_its_start(bench: TuningBench) -> None:
    job_id = await bench.add()
    job = await bench.run(job_id)
    [attempt], [entry] = await bench.attempts(job_id), await bench.ledger(job_id)
    assert (attempt.kind, attempt.outcome) == ("training", "succeeded")
    assert job.trained_tokens == 600
    assert entry.cost_usd == job.cost_usd == Decimal("0.6")
    assert job.estimate is not None
    assert entry.price_note == job.estimate["price"]["note"]


async def test_a_legacy_job_gets_a_name_of_its_time(bench: TuningBench) -> None:
    job_id = await bench.add(is_legacy=True, suffix="ultraman")
    await bench.run(job_id)
    [model] = await bench.models(job_id)
    assert model.legacy_name is not None
    assert model.legacy_name.startswith("base-1:ft-tests:ultraman-20")
