"""Words of a provider that no column takes: a job ends with them mended, and whatever goes wrong counts as a try."""

from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.support.tuning_bench import TuningBench
from tests.support.tuning_upstream import Fault, TuningScript, TuningUpstream

JOBS = "/v1/fine_tuning/jobs$"


async def test_a_refusal_with_nul_ends_the_job_with_its_words(bench: TuningBench, provider: TuningUpstream) -> None:
    provider.faults.append(Fault("POST", JOBS, 400, times=99, message="no\x00 \ud83d such base"))
    job_id = await bench.add()
    job = await bench.run(job_id)
    assert job.error is not None
    assert (job.status, job.step) == ("failed", "done")
    assert "no\ufffd \ufffd such base" in job.error["message"]
    assert "no\ufffd \ufffd such base" in (await bench.events(job_id))[-1].message
    assert "no\ufffd \ufffd such base" in (await bench.changes(job_id))[-1].reason


async def test_a_job_that_fails_there_with_odd_words_fails_here_with_them(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    provider.script = TuningScript(error={"code": "c\x00" * 300, "message": "m\x00" * 20_000, "param": ["p"]})
    job = await bench.run(await bench.add())
    assert job.error is not None
    assert (job.status, job.error["param"]) == ("failed", None)
    assert job.error["message"].startswith("m\ufffdm")
    assert job.error["message"].endswith("…")


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": ["x"]},
        {"result_files": {"id": 3}},
        {"method": "supervised", "hyperparameters": 7},
        {"trained_tokens": 10**30},
        {"error": {"message": {"text": "\x00"}}},
        {"estimated_finish": "soon", "created_at": [1]},
        {"status": {"name": "running"}},
        {"deep": [[[[[[[["x"]]]]]]]]},
    ],
)
async def test_a_job_object_of_other_types_is_followed_to_its_end(
    bench: TuningBench, provider: TuningUpstream, odd: dict[str, Any]
) -> None:
    looks = 0

    async def make_odd(moment: str) -> None:
        nonlocal looks
        for job in provider.jobs.values():
            if moment.startswith("before GET /v1/fine_tuning/jobs/") and job["status"] == "running" and looks < 3:
                looks += 1
                job.update({key: value for key, value in odd.items() if key != "status"})

    provider.hook = make_odd
    job_id = await bench.add()
    job = await bench.run(job_id)
    assert (job.status, looks > 0) == ("succeeded", True)


async def test_an_end_that_cannot_be_written_counts_its_tries_and_ends_in_our_words(
    bench: TuningBench, provider: TuningUpstream
) -> None:
    async with bench.context.database.transaction() as session:
        await session.execute(
            text("alter table fine_tuning_event add constraint no_such_words check (message not like '%unspeakable%')")
        )
    provider.faults.append(Fault("POST", JOBS, 400, times=99, message="unspeakable"))
    with capture_logs() as logs:
        job = await bench.run(await bench.add())
    assert job.error is not None
    assert (job.status, job.error["code"]) == ("failed", "internal_error")
    assert [line["event"] for line in logs].count("fine_tuning_failure_not_settled") == 5
    assert len([request for request in provider.requests if request == "POST /v1/fine_tuning/jobs"]) == 5
