"""Trainer and engine are killed, told to pause, told to cancel, run out of disk: no step is lost or told twice."""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.engine.test_fine_tuning_client import (
    BASE,
    completion_lines,
    supervised,
    upload,
    wait_for_end,
)
from tests.support.engine_process import EngineProcess, wait_until
from tests.support.tiny_model import build_tiny_model

EPOCHS = 4
EXAMPLES = 25


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model") / BASE)


@pytest.fixture
def engine(model: Path, tmp_path: Path) -> Iterator[EngineProcess]:
    running = EngineProcess(model, tmp_path / "state", STORYMILL_ENGINE_TRAINING_RESUME_POINT_SECONDS="0")
    yield running
    running.stop()


def connect(engine: EngineProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)


def create(client: openai.OpenAI, epochs: int = EPOCHS, seed: int = 5) -> str:
    method: Any = supervised(n_epochs=epochs, batch_size=1)
    file = upload(client, completion_lines(EXAMPLES))
    return client.fine_tuning.jobs.create(model=BASE, training_file=file, seed=seed, method=method).id


def count_steps(client: openai.OpenAI, job_id: str) -> int:
    events = client.fine_tuning.jobs.list_events(job_id, limit=1000).data
    return sum("train_loss" in (event.data or {}) for event in events)


def wait_for_steps(client: openai.OpenAI, job_id: str, steps: int) -> None:
    wait_until(lambda: count_steps(client, job_id) >= steps, f"{steps} steps of {job_id}", seconds=240)


def check_complete(client: openai.OpenAI, job_id: str) -> str:
    """Assert that the job ended well and told every step once; return its result table."""
    job = wait_for_end(client, job_id)
    assert job.status == "succeeded", job.error
    events = list(client.fine_tuning.jobs.list_events(job_id, limit=1000))
    numbers = [int(event.id.rsplit("-", 1)[1]) for event in events]
    assert numbers == list(range(len(events), 0, -1))
    steps = [event.data["step"] for event in events if "train_loss" in (event.data or {})]
    assert steps == list(range(EPOCHS * EXAMPLES, 0, -1))
    assert len(list(client.fine_tuning.jobs.checkpoints.list(job_id, limit=100))) == EPOCHS
    assert client.completions.create(model=job.fine_tuned_model, prompt="唐", max_tokens=2).choices
    return client.files.content(job.result_files[0]).text


@pytest.mark.slow
def test_killed_and_paused_runs_repeat_the_unbroken_one(engine: EngineProcess) -> None:
    client = connect(engine)
    unbroken = check_complete(client, create(client))

    trainer_killed = create(client)
    wait_for_steps(client, trainer_killed, 10)
    trainer = engine.trainer_pid()
    assert trainer is not None
    os.kill(trainer, signal.SIGKILL)
    assert check_complete(client, trainer_killed) == unbroken
    messages = [event.message for event in client.fine_tuning.jobs.list_events(trainer_killed, limit=1000)]
    assert any(message.startswith("Resumed at step") for message in messages)

    engine_killed = create(client)
    waiting = create(client, seed=6)
    wait_for_steps(client, engine_killed, 10)
    orphan = engine.trainer_pid()
    engine.kill()
    engine.start()
    client = connect(engine)
    assert check_complete(client, engine_killed) == unbroken
    wait_until(lambda: not Path(f"/proc/{orphan}").exists(), "the orphaned trainer is gone")
    assert client.fine_tuning.jobs.retrieve(waiting).status in ("queued", "running")
    client.fine_tuning.jobs.cancel(waiting)

    paused = create(client)
    wait_for_steps(client, paused, 5)
    assert client.fine_tuning.jobs.pause(paused).status == "paused"
    wait_until(lambda: engine.trainer_pid() is None, "the paused trainer is gone", seconds=30)
    stood = count_steps(client, paused)
    assert stood < EPOCHS * EXAMPLES
    assert client.fine_tuning.jobs.retrieve(paused).status == "paused"
    assert client.fine_tuning.jobs.resume(paused).status in ("queued", "running")
    assert check_complete(client, paused) == unbroken


@pytest.mark.slow
def test_a_stopped_engine_hands_its_job_to_the_next_one(engine: EngineProcess) -> None:
    client = connect(engine)
    job = create(client)
    wait_for_steps(client, job, 3)
    engine.stop()
    assert engine.trainer_pid() is None
    engine.start()
    client = connect(engine)
    check_complete(client, job)
    levels = {event.level for event in client.fine_tuning.jobs.list_events(job, limit=1000)}
    assert levels == {"info"}


@pytest.mark.slow
def test_jobs_run_in_order_one_at_a_time_and_cancel_takes_one_step(engine: EngineProcess) -> None:
    client = connect(engine)
    first, second = create(client, epochs=50), create(client, epochs=1)
    wait_for_steps(client, first, 1)
    assert client.fine_tuning.jobs.retrieve(second).status == "queued"
    assert client.fine_tuning.jobs.retrieve(first).estimated_finish
    assert client.completions.create(model=BASE, prompt="唐", max_tokens=8).choices  # texts are written meanwhile
    assert client.fine_tuning.jobs.retrieve(first).status == "running"
    cancelled = client.fine_tuning.jobs.cancel(first)
    assert cancelled.status == "cancelled"
    assert cancelled.finished_at
    assert wait_for_end(client, second).status == "succeeded"
    assert client.fine_tuning.jobs.retrieve(first).status == "cancelled"
    assert client.fine_tuning.jobs.retrieve(first).fine_tuned_model is None
    for change in (client.fine_tuning.jobs.cancel, client.fine_tuning.jobs.pause, client.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError, match="succeeded"):
            change(second)


@pytest.mark.slow
def test_deleting_what_a_job_was_made_from_does_not_harm_it(engine: EngineProcess) -> None:
    client = connect(engine)
    blocker = create(client, epochs=50)
    file = upload(client, completion_lines(2))
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file, method=supervised(n_epochs=1))  # type: ignore[arg-type]
    assert client.files.delete(file).deleted
    client.fine_tuning.jobs.cancel(blocker)
    assert wait_for_end(client, job.id).status == "succeeded"


def test_a_job_that_does_not_fit_into_memory_says_so(model: Path, tmp_path: Path) -> None:
    engine = EngineProcess(model, tmp_path / "state", STORYMILL_ENGINE_TRAINING_MEMORY_LIMIT_BYTES=str(100 * 1024**2))
    try:
        client = connect(engine)
        job = wait_for_end(client, create(client))
        assert job.status == "failed"
        assert job.error.code == "insufficient_memory"
        assert "100 MiB are free" in job.error.message
    finally:
        engine.stop()


def test_a_full_disk_fails_the_job_and_keeps_the_last_checkpoint(model: Path, tmp_path: Path) -> None:
    engine = EngineProcess(model, tmp_path / "state", STORYMILL_ENGINE_TRAINING_LORA_RANK="64")
    try:
        client = connect(engine)
        job_id = create(client)
        wait_until(lambda: client.fine_tuning.jobs.checkpoints.list(job_id).data, "a checkpoint", seconds=60)
        trainer = engine.trainer_pid()
        assert trainer is not None
        limit_file_size(trainer, 300_000)
        job = wait_for_end(client, job_id)
        assert job.error.code == "disk_full", job.error
        kept = client.fine_tuning.jobs.checkpoints.list(job_id).data[0].fine_tuned_model_checkpoint
        assert client.completions.create(model=kept, prompt="唐", max_tokens=2).choices
    finally:
        engine.stop()


def limit_file_size(pid: int, size_bytes: int) -> None:
    """Let larger files fail in the process, as a full disk would."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def test_a_trainer_that_never_gets_anywhere_is_given_up(model: Path, tmp_path: Path) -> None:
    engine = EngineProcess(
        model,
        tmp_path / "state",
        STORYMILL_ENGINE_TRAINING_MAXIMUM_FRUITLESS_STARTS="2",
        STORYMILL_ENGINE_TRAINING_RESUME_POINT_SECONDS="3600",
    )
    try:
        client = connect(engine)
        job_id = create(client)
        for _ in range(2):
            trainer = wait_until(engine.trainer_pid, "a trainer", seconds=60)
            os.kill(trainer, signal.SIGKILL)
            wait_until(lambda gone=trainer: engine.trainer_pid() != gone, "it is noticed", seconds=60)
        job = wait_for_end(client, job_id)
        assert job.error.code == "trainer_failed"
        assert "killed by SIGKILL" in job.error.message
    finally:
        engine.stop()
