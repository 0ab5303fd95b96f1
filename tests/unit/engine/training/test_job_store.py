"""Job rows: claims, statuses, and events without gaps or doubles."""

from pathlib import Path
from typing import Any

import pytest

from services.engine.files import StoredFile
from services.engine.store import Store, open_store
from services.engine.training.job_store import ClaimLostError, Job, JobError, JobStore, WrongStatusError
from services.engine.training.run_record import RunRecord

REQUEST: dict[str, Any] = {"training_file": "file-1", "validation_file": None, "metadata": None}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


@pytest.fixture
def jobs(store: Store) -> JobStore:
    return JobStore(store)


def make_queued(jobs: JobStore) -> str:
    job = jobs.create(REQUEST, {}, {})
    jobs.release(job.id)
    jobs.queue(job.id)
    return job.id


def claim(jobs: JobStore, job_id: str) -> Job:
    job = jobs.claim(job_id)
    assert job is not None
    return job


def step_row(step: int) -> dict[str, Any]:
    names = ("training_loss", "training_token_accuracy", "training_sequence_accuracy")
    more = ("learning_rate", "gradient_norm")
    return {"step": step, "elapsed_tokens": step, "elapsed_examples": step, **dict.fromkeys(names + more, 0.5)}


def numbers(jobs: JobStore, job_id: str) -> list[int]:
    return [event.sequence for event in jobs.events(job_id, after=None, limit=1000)]


def test_a_job_is_claimed_once(jobs: JobStore) -> None:
    job_id = make_queued(jobs)
    assert claim(jobs, job_id).attempt == 1
    assert jobs.claim(job_id) is None


def test_a_run_that_lost_its_claim_writes_nothing(jobs: JobStore, store: Store) -> None:
    job_id = make_queued(jobs)
    old = RunRecord(store, job_id, claim(jobs, job_id).attempt)
    assert jobs.requeue_interrupted(job_id, 1)
    new = RunRecord(store, job_id, claim(jobs, job_id).attempt)
    before = numbers(jobs, job_id)
    assert new.holds_claim()
    assert not old.holds_claim()
    with pytest.raises(ClaimLostError):
        old.add_step(step_row(1), 10, 0)
    with pytest.raises(ClaimLostError):
        old.succeed("ft:x", StoredFile("file-r", 1, 0, "r.csv", "fine-tune-results"))
    assert numbers(jobs, job_id) == before
    assert jobs.metrics(job_id) == []


def test_a_step_run_again_is_told_once(jobs: JobStore, store: Store) -> None:
    job_id = make_queued(jobs)
    record = RunRecord(store, job_id, claim(jobs, job_id).attempt)
    for step in (1, 2, 1, 2, 3):
        record.add_step(step_row(step), 3, 0)
    steps = [event.data for event in jobs.events(job_id, after=None, limit=100) if event.type == "metrics"]
    assert [data["step"] for data in steps if data] == [3, 2, 1]
    found = numbers(jobs, job_id)
    assert found == list(range(len(found), 0, -1))


def test_cancel_and_pause_take_the_claim_away(jobs: JobStore, store: Store) -> None:
    job_id = make_queued(jobs)
    record = RunRecord(store, job_id, claim(jobs, job_id).attempt)
    assert jobs.pause(job_id).status == "paused"
    assert not record.holds_claim()
    assert jobs.resume(job_id).status == "queued"
    assert claim(jobs, job_id).attempt == 2
    assert jobs.cancel(job_id).status == "cancelled"
    assert jobs.cancel(job_id).status == "cancelled"
    assert jobs.claim(job_id) is None


def test_what_has_ended_stays_as_it_is(jobs: JobStore) -> None:
    job_id = make_queued(jobs)
    jobs.fail(job_id, JobError("code", "why"), ["line 1: bad"])
    for change in (jobs.cancel, jobs.pause, jobs.resume):
        with pytest.raises(WrongStatusError, match="failed"):
            change(job_id)
    jobs.fail(job_id, JobError("other", "again"))
    job = jobs.get(job_id)
    assert job.error == {"code": "code", "message": "why", "param": None}
    assert job.finished_at is not None
    assert [event.message for event in jobs.events(job_id, after=None, limit=2)] == ["why", "line 1: bad"]


def test_events_page_backwards_from_an_id(jobs: JobStore) -> None:
    job_id = make_queued(jobs)
    first_page = jobs.events(job_id, after=None, limit=2)
    second_page = jobs.events(job_id, after=first_page[-1].id, limit=2)
    assert [event.sequence for event in (*first_page, *second_page)] == [3, 2, 1]
    assert jobs.events(job_id, after="ftevent-unknown-000001", limit=2) == []


def test_a_job_half_set_up_is_not_run_and_is_forgotten(jobs: JobStore) -> None:
    job = jobs.create(REQUEST, {}, {})
    assert jobs.with_status("validating_files") == []
    jobs.discard_unreleased()
    assert jobs.find(job.id) is None


def test_a_store_of_a_newer_engine_is_refused(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RuntimeError, match="newer engine"):
        open_store(tmp_path)
