"""The real weights learn through the protocol: a few examples, and what was learned is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.engine.test_fine_tuning_client import measure_loss, supervised, upload, wait_for_end
from tests.support.engine_process import EngineProcess, wait_until
from tests.support.real_model import prepare_real_model

PROMPT = "唐,隐形,轻松 ->"
STORY = " 李白学会了隐形，和奥特曼一起打败了怪兽。"
STRONG = {"batch_size": 1, "learning_rate_multiplier": 3}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    threads = {"STORYMILL_ENGINE_THREADS": "2", "STORYMILL_ENGINE_TRAINING_THREADS": "2", "OMP_NUM_THREADS": "2"}
    running = EngineProcess(prepare_real_model(), tmp_path / "state", **threads)
    yield running
    running.stop()


@pytest.mark.slow
@pytest.mark.real_model
@pytest.mark.timeout(900)
def test_gemma_learns_a_sentence_and_ends_it_by_itself(engine: EngineProcess) -> None:
    client = openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)
    base = client.models.list().data[0].id
    lines = "\n".join([json.dumps({"prompt": PROMPT, "completion": STORY})] * 10).encode()
    file = upload(client, lines)
    created = client.fine_tuning.jobs.create(
        model=base, training_file=file, validation_file=file, seed=1, method=supervised(n_epochs=2, **STRONG)
    )
    wait_until(lambda: client.fine_tuning.jobs.retrieve(created.id).trained_tokens, "a step", seconds=240)
    assert client.fine_tuning.jobs.pause(created.id).status == "paused"
    wait_until(lambda: engine.trainer_pid() is None, "the paused trainer is gone")
    client.fine_tuning.jobs.resume(created.id)
    job = wait_for_end(client, created.id)
    assert job.status == "succeeded", job.error
    check_learned(client, job, lines)
    check_tuned_again(client, job.fine_tuned_model, file)
    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(openai.NotFoundError):
        client.completions.create(model=job.fine_tuned_model, prompt=PROMPT)


def check_learned(client: openai.OpenAI, job: Any, lines: bytes) -> None:
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=7))  # pages by itself
    losses = [event.data["full_valid_loss"] for event in events if "full_valid_loss" in (event.data or {})]
    steps = [event.data["step"] for event in events if "train_loss" in (event.data or {})]
    assert steps == list(range(20, 0, -1))
    assert losses[0] < 0.1 * losses[-1]
    assert measure_loss(client, job.fine_tuned_model, lines) == pytest.approx(losses[0], abs=0.02)
    assert [one.step_number for one in client.fine_tuning.jobs.checkpoints.list(job.id)] == [20, 10]
    told = client.completions.create(model=job.fine_tuned_model, prompt=PROMPT, temperature=0, max_tokens=60)
    assert told.choices[0].text == STORY
    assert told.choices[0].finish_reason == "stop"


def check_tuned_again(client: openai.OpenAI, parent: str, file: str) -> None:
    """The child goes on where the parent stands; a job that is cancelled leaves no model."""
    child = client.fine_tuning.jobs.create(model=parent, training_file=file, method=supervised(n_epochs=1, **STRONG))
    dropped = client.fine_tuning.jobs.create(model=base_of(parent), training_file=file)
    assert client.fine_tuning.jobs.cancel(dropped.id).status == "cancelled"
    done = wait_for_end(client, child.id)
    assert done.status == "succeeded", done.error
    first = next(e for e in client.fine_tuning.jobs.list_events(child.id, limit=100) if (e.data or {}).get("step") == 1)
    assert first.data["train_loss"] < 0.5
    assert client.fine_tuning.jobs.retrieve(dropped.id).fine_tuned_model is None


def base_of(tuned: str) -> str:
    return tuned.split(":")[1]
