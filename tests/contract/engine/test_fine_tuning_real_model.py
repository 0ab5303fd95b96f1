"""The real weights learn through the protocol: a few examples, and what was learned is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.contract.engine.test_fine_tuning_client import upload, wait_for_end
from tests.support.engine_process import EngineProcess
from tests.support.real_model import prepare_real_model

PROMPT = "唐,隐形,轻松 ->"
STORY = " 李白学会了隐形，和奥特曼一起打败了怪兽。"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    threads = {"STORYMILL_ENGINE_THREADS": "2", "STORYMILL_ENGINE_TRAINING_THREADS": "2", "OMP_NUM_THREADS": "2"}
    running = EngineProcess(prepare_real_model(), tmp_path / "state", **threads)
    yield running
    running.stop()


@pytest.mark.real_model
def test_gemma_learns_a_sentence_and_ends_it_by_itself(engine: EngineProcess) -> None:
    client = openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)
    base = client.models.list().data[0].id
    lines = "\n".join([json.dumps({"prompt": PROMPT, "completion": STORY})] * 10).encode()
    file = upload(client, lines)
    created = client.fine_tuning.jobs.create(
        model=base,
        training_file=file,
        validation_file=file,
        seed=1,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 3}},
        },
    )
    job = wait_for_end(client, created.id)
    assert job.status == "succeeded", job.error
    losses = [
        event.data["full_valid_loss"]
        for event in client.fine_tuning.jobs.list_events(job.id, limit=100)
        if "full_valid_loss" in (event.data or {})
    ]
    assert losses[0] < 0.1 * losses[-1]
    told = client.completions.create(model=job.fine_tuned_model, prompt=PROMPT, temperature=0, max_tokens=60)
    assert told.choices[0].text == STORY
    assert told.choices[0].finish_reason == "stop"
