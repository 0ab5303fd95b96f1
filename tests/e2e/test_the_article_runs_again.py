"""The article, cell by cell, with the client of its time against `storymill up`: only key and base URL are set."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.engine.settings import BUILT_IN_MODEL
from storymill.launcher.credentials import read_credentials
from tests.support.client_env import run_client
from tests.support.tiny_model import build_tiny_model
from tests.support.whole_mill import WholeMill

pytestmark = pytest.mark.client_env

COLUMNS = "step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy"


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeMill]:
    """A whole mill whose one model is tiny, random, and goes by the names that the article uses."""
    folder = tmp_path_factory.mktemp("mill")
    environment = {
        "STORYMILL_ENGINE_MODEL": str(build_tiny_model(folder / "tiny", context_length=1024)),
        "STORYMILL_ENGINE_MODEL_NAME": BUILT_IN_MODEL,
        "STORYMILL_ENGINE_SHIPPED_ADAPTERS_DIR": str(folder),
        "STORYMILL_ENGINE_ALIASES": json.dumps(dict.fromkeys(["text-davinci-003", "curie"], BUILT_IN_MODEL)),
        "STORYMILL_ENGINE_CONTEXT_LENGTH": "1024",
        "STORYMILL_ENGINE_THREADS": "1",
        "STORYMILL_ENGINE_TRAINING_NICENESS": "0",
    }
    running = WholeMill(folder / "state", environment=environment)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def said(mill: WholeMill, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the article's cells printed."""
    credentials = read_credentials(mill.state_dir)
    env = {"OPENAI_API_KEY": credentials.api_key, "OPENAI_API_BASE": credentials.base_url}
    folder = str(tmp_path_factory.mktemp("article"))
    printed = asyncio.run(run_client("openai-legacy", "article.py", folder, env=env))
    told: dict[str, Any] = json.loads(printed)
    return told


def test_stories_become_training_data(said: dict[str, Any]) -> None:
    for cell in ("prepare", "prepare_more"):
        assert said[cell]["code"] == 0, said[cell]["err"]
        assert re.search(r"Wrote modified file to `data/prepared_data(_more)?_prepared.jsonl`", said[cell]["out"])


def test_the_command_line_uploads_creates_and_follows(said: dict[str, Any]) -> None:
    created = said["create"]
    assert created["code"] == 0, created["err"]
    assert "Upload progress: 100%" in created["err"]
    assert "Uploaded file from data/prepared_data_prepared.jsonl: file-" in created["out"]
    events = re.findall(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] (.*)$", created["out"], re.MULTILINE)
    fine_tune = said["fine_tune"]
    assert events[0] == f"Created fine-tune: {fine_tune}"
    assert next(event for event in events if "epoch" in event).startswith("Completed epoch 1/")
    assert {"Fine-tune started", f"Uploaded model: {said['model']}", "Fine-tune succeeded"} <= set(events)
    assert events.index("Fine-tune started") < events.index("Fine-tune succeeded") == len(events) - 1
    assert "Job complete! Status: succeeded" in created["out"]


def test_the_list_shows_the_model_under_a_name_of_that_time(said: dict[str, Any]) -> None:
    (first,) = json.loads(said["list"]["out"])["data"]
    assert re.fullmatch(r"curie:ft-[\w-]+:ultraman-\d{4}(-\d\d){5}", said["model"])
    assert (first["object"], first["status"], first["model"]) == ("fine-tune", "succeeded", "curie")
    assert first["result_files"][0]["filename"] == "compiled_results.csv"
    assert set(first["hyperparams"]) == {"batch_size", "learning_rate_multiplier", "n_epochs", "prompt_loss_weight"}


def test_results_have_the_articles_columns(said: dict[str, Any]) -> None:
    lines = said["results"]["out"].strip().splitlines()
    assert lines[0].startswith(COLUMNS)
    assert [line.split(",")[0] for line in lines[1:3]] == ["1", "2"]
    losses = [float(line.split(",")[3]) for line in lines[1:]]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_the_tuned_model_is_tuned_again_and_keeps_its_name(said: dict[str, Any], mill: WholeMill) -> None:
    again = said["create_more"]
    assert again["code"] == 0, again["err"]
    assert "Job complete! Status: succeeded" in again["out"]
    api = mill.api()
    newer, older = api.get("/fine_tuning/jobs")["data"]
    assert newer["parent_model"] == older["fine_tuned_model"]
    assert newer["hyperparameters"]["learning_rate_multiplier"] == 0.2
    alias = api.get(f"/model_aliases/{said['model']}")
    assert alias["model"] == newer["fine_tuned_model"]
    tree = api.get(f"/models/{newer['fine_tuned_model']}/tree")
    assert tree["root"]["model"] == older["fine_tuned_model"]
    assert [child["model"] for child in tree["root"]["children"]] == [newer["fine_tuned_model"]]


def test_stories_are_told_whole_and_streamed(said: dict[str, Any]) -> None:
    assert all(isinstance(said[name], str) for name in ("story", "story_more", "streamed"))
    assert any(said[name] for name in ("story", "story_more", "streamed"))
