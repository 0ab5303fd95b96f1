"""The whole product on a tiny model: a file is prepared; then each process is killed in turn while a generation and
three streams run: every row ends, every stream ends with the text of its row, and no story is written twice."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch

from storymill.client.errors import ApiError, UnreachableError
from storymill.client.rest import Api
from storymill.client.statuses import BATCH_FINAL
from tests.support.dataset_mill import make_csv
from tests.support.stack import wait_until
from tests.support.tiny_model import build_tiny_model, build_tiny_tokenizer
from tests.support.usual import mark_unusual
from tests.support.whole_mill import Watcher, WholeMill

pytestmark = pytest.mark.xdist_group("killed")
CONTEXT_TOKENS = 16_384
STREAM_TOKENS = 3_000
STORY_TOKENS = 150
STREAMS = 3
ROWS = 120
END_TIMEOUT_SECONDS = 120
RECIPE = {
    "name": "killed",
    "template": "一位{{ dynasty }}英雄{{ number }}",
    "attributes": {"dynasty": ["唐", "宋"], "number": list(range(ROWS // 2))},
    "repeats": 1,
    "model": "tiny",
    "parameters": {"max_tokens": STORY_TOKENS, "temperature": 0},
    "format": "completion",
}
PROCESSES = (
    "gateway",
    "streaming",
    "worker-interactive",
    "worker-generation",
    "worker-batch",
    "worker-maintenance",
    "beat",
    "engine",
    "redis",
    "postgres",
)
USUAL = ("worker-interactive",)
"""What stands for them in `make test`: each is also killed, beside fewer others, in the tests of its own folder."""


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeMill]:
    """The whole product on a tiny model whose texts run to their token limit."""
    folder = tmp_path_factory.mktemp("killed")
    model = build_tiny_model(folder / "tiny", context_length=CONTEXT_TOKENS)
    environment = {
        "STORYMILL_ENGINE_MODEL": str(model),
        "STORYMILL_ENGINE_MODEL_NAME": "tiny",
        "STORYMILL_ENGINE_CONTEXT_LENGTH": str(CONTEXT_TOKENS),
        "STORYMILL_ENGINE_MAX_BATCH_SIZE": "8",
        "STORYMILL_ENGINE_THREADS": "1",  # a tiny model is no faster with more, and the others want the cores
    }
    running = WholeMill(folder / "state", environment=environment)
    running.start()
    yield running
    running.stop()


def start_watchers(api: Api) -> list[Watcher]:
    """Start the streams and wait until each shows text."""
    watchers = []
    for number in range(STREAMS):
        body = {"model": "tiny", "prompt": f"英雄{number}", "max_tokens": STREAM_TOKENS, "temperature": 0}
        created = api.post("/streams", body)
        watcher = Watcher(created["ws_url"], created["id"], api.api_key)
        watcher.start()
        watchers.append(watcher)
    for watcher in watchers:
        watcher.wait_for_text()
    return watchers


def find_ended(api: Api, path: str) -> dict[str, Any] | None:
    """Return the resource once its state is final; a gateway that is just coming back is asked again."""
    try:
        resource = api.get(path)
    except (UnreachableError, ApiError):
        return None
    return resource if resource["status"] in {"succeeded", "failed", "cancelled"} else None


@pytest.mark.slow  # the article's run prepares one, too
def test_a_file_is_prepared_by_the_mill_and_counted_with_the_engines_own_tokenizer(
    mill: WholeMill, tmp_path: Path
) -> None:
    source = tmp_path / "stories.csv"
    source.write_bytes(make_csv(40))
    prepared = mill.run("datasets", "prepare", str(source), "--model", "tiny", "--validation-share", "0.2")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    written = [tmp_path / f"stories_prepared_{side}.jsonl" for side in ("train", "valid")]
    rows = [json.loads(line) for path in written for line in path.read_text().splitlines()]
    assert {prompt.removesuffix(" ->") for prompt in (row["prompt"] for row in rows)} == {
        row["prompt"] for row in csv.DictReader(source.read_text().splitlines())
    }
    with mill.api() as api:
        (dataset,) = api.list_all("/datasets")
        tokens = api.get(f"/datasets/{dataset['id']}/report")["tokens"]
    tokenizer = build_tiny_tokenizer()
    texts = [row[name] for row in csv.DictReader(source.read_text().splitlines()) for name in ("prompt", "completion")]
    # Beginning and end of text beside the characters, each of which is a token here.
    assert tokens["total"] == sum(len(tokenizer(text, add_special_tokens=False).input_ids) + 1 for text in texts)
    assert (tokens["exact"], tokens["encoding"]) == (True, "tokenizer of tiny")


@pytest.mark.parametrize("name", mark_unusual(PROCESSES, USUAL))
def test_every_row_and_every_stream_ends_well_when_a_process_is_killed(mill: WholeMill, name: str) -> None:
    with mill.api() as api:
        generation = api.post("/generations", {"recipe": RECIPE})
        watchers = start_watchers(api)
        still_running = [watcher for watcher in watchers if watcher.is_alive()]
        assert still_running, "the streams were over before anything was killed"
        mill.kill(name)

        ended = wait_until(
            lambda: find_ended(api, f"/generations/{generation['id']}"),
            timeout_seconds=END_TIMEOUT_SECONDS,
            what=f"the generation to end after {name} was killed",
        )
        for watcher in watchers:
            watcher.join(END_TIMEOUT_SECONDS)
            assert not watcher.is_alive(), f"stream {watcher.stream_id} hangs after {name} was killed"
            assert watcher.failure is None, watcher.failure

        assert ended["status"] == "succeeded"
        assert ended["counts"] == {**ended["counts"], "total": ROWS, "succeeded": ROWS, "queued": 0, "running": 0}
        stories = list(api.list_all("/stories", generation_id=generation["id"]))
        assert len(stories) == len({(tuple(s["attributes"].items()), s["repeat"]) for s in stories}) == ROWS
        assert all(story["text"] for story in stories)
        for watcher in watchers:
            row = api.get(f"/streams/{watcher.stream_id}")
            assert row["status"] == "succeeded"
            assert watcher.shown == row["text"]
            assert watcher.follower.fold.end is not None
            assert watcher.follower.fold.end["sha256"] == row["sha256"]


BATCH_PROCESSES = ("gateway", "worker-generation", "worker-maintenance", "redis", "postgres")
"""What a batch needs on its way; all of them are unusual."""


def find_over(sdk: openai.OpenAI, batch_id: str) -> Batch | None:
    """Return the batch once it is over; a gateway that is just coming back is asked again."""
    try:
        batch = sdk.batches.retrieve(batch_id)
    except openai.APIError:
        return None
    return batch if batch.status in BATCH_FINAL else None


@pytest.mark.parametrize("name", mark_unusual(BATCH_PROCESSES, ()))
def test_every_line_of_a_batch_is_answered_once_when_a_process_is_killed(mill: WholeMill, name: str) -> None:
    asked = {"model": "tiny", "max_tokens": STORY_TOKENS, "temperature": 0}
    lines = [
        {
            **{"custom_id": f"{name}-{number}", "method": "POST", "url": "/v1/completions"},
            "body": {**asked, "prompt": f"{name}{number}"},
        }
        for number in range(ROWS)
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with mill.api() as api, openai.OpenAI(base_url=api.base_url, api_key=api.api_key) as sdk:
        file = sdk.files.create(file=("requests.jsonl", content), purpose="batch")
        batch = sdk.batches.create(input_file_id=file.id, endpoint="/v1/completions", completion_window="24h")
        wait_until(lambda: sdk.batches.retrieve(batch.id).status == "in_progress", what="the batch to begin")
        mill.kill(name)
        over = wait_until(
            lambda: find_over(sdk, batch.id),
            timeout_seconds=END_TIMEOUT_SECONDS,
            what=f"the batch to end after {name} was killed",
        )
        assert over.status == "completed"
        assert over.request_counts is not None
        assert over.request_counts.model_dump() == {"total": ROWS, "completed": ROWS, "failed": 0}
        answers = [json.loads(line) for line in sdk.files.content(str(over.output_file_id)).text.splitlines()]
        assert [answer["custom_id"] for answer in answers] == [line["custom_id"] for line in lines]
        choices = [answer["response"]["body"]["choices"][0] for answer in answers]
        assert {choice["finish_reason"] for choice in choices} <= {"stop", "length"}
        # The tiny model, at temperature 0, has nothing to say to one prompt or another.
        assert sum(bool(choice["text"]) for choice in choices) > ROWS * 0.9
