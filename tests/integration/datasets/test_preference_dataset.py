"""Reviews become preference pairs: from the stories of a run to training lines, and back from both stories."""

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from services.engine.training.examples import PreferenceExample, parse_lines
from shared.stores.db.models import DatasetVersion, Story
from tests.support.dataset_mill import export, prepare, read_rows, upload, write_article
from tests.support.gateway import Mill

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERDICTS = ["accepted", "rejected", "rejected", "rejected", "accepted", "accepted", "accepted", None, None, "rejected"]
"""Of the first stories of a run, three to a prompt: four pairs in two prompts; the others have one kind only."""
PAIRS = [(0, 1), (0, 2), (4, 3), (5, 3)]


async def review(client: httpx2.AsyncClient, run_id: str) -> list[dict[str, Any]]:
    """Review the first stories of a run; return all as they were."""
    stories: list[dict[str, Any]]
    stories = (await client.get("/v1/stories", params={"generation_id": run_id, "limit": 30})).json()["data"]
    for story, verdict in zip(stories, VERDICTS, strict=False):
        if verdict:
            answer = await client.patch(f"/v1/stories/{story['id']}", json={"review": verdict})
            assert answer.status_code == 200, answer.text
    return stories


def line_of(stories: list[dict[str, Any]], accepted: int, rejected: int) -> dict[str, Any]:
    """The training line of a pair."""
    prompt = ",".join(stories[accepted]["attributes"].values())
    return {
        "input": {"messages": [{"role": "user", "content": prompt}]},
        "preferred_output": [{"role": "assistant", "content": stories[accepted]["text"]}],
        "non_preferred_output": [{"role": "assistant", "content": stories[rejected]["text"]}],
    }


async def test_reviews_become_pairs_and_both_stories_know_it(mill: Mill, client: httpx2.AsyncClient) -> None:
    stories = await review(client, run_id := await write_article(mill, client, limit=12))
    dataset = await prepare(client, {"generation": run_id}, format="preference", validation_share=0)
    assert dataset["status"] == "succeeded", dataset["error"]
    assert (dataset["format"], dataset["counts"]["kept"]) == ("preference", len(PAIRS))
    lines = await export(client, dataset["id"], "train")
    assert lines == [line_of(stories, *pair) for pair in PAIRS]
    content = (await client.get(f"/v1/files/{dataset['files']['train']}/content")).content
    parsed = parse_lines(content.splitlines())
    assert not parsed.problems
    assert all(isinstance(example, PreferenceExample) for example in parsed.examples)
    file = (await client.get(f"/v1/files/{dataset['files']['train']}")).json()
    assert file["purpose"] == "fine-tune"

    rows = await read_rows(client, dataset["id"])
    named = [(stories[accepted]["id"], stories[rejected]["id"]) for accepted, rejected in PAIRS]
    assert [(row["story_id"], row["rejected_story_id"]) for row in rows] == named
    await check_costs(mill, dataset, rows)
    for index, role, positions in ((0, "preferred", [0, 1]), (3, "rejected", [2, 3]), (2, "rejected", [1])):
        lineage = (await client.get(f"/v1/stories/{stories[index]['id']}/lineage")).json()
        place = {"dataset_id": dataset["id"], "version": dataset["version"], "split": "train", "role": role}
        assert lineage["datasets"] == [{**place, "position": position} for position in positions]

    again = await prepare(client, {"file": dataset["files"]["train"]}, validation_share=0.5)
    assert (again["format"], again["error"]) == ("preference", None)
    sides = {split: await export(client, again["id"], split) for split in ("train", "validation")}
    prompts = {split: {line["input"]["messages"][0]["content"] for line in side} for split, side in sides.items()}
    assert not prompts["train"] & prompts["validation"]
    assert len(sides["train"] + sides["validation"]) == len(PAIRS)


async def check_costs(mill: Mill, dataset: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """A row costs what both its stories did; the version pays every story once."""
    async with mill.database.transaction() as session:
        version = await session.get(DatasetVersion, dataset["version"])
        both = [{row["story_id"], row["rejected_story_id"]} for row in rows]
        costs: dict[str, Decimal] = {}
        for story_id in set().union(*both):
            story = await session.get(Story, story_id)
            assert story is not None
            assert story.cost_usd
            costs[story_id] = story.cost_usd
    assert version is not None
    assert version.cost_usd == sum(costs.values())
    assert [row["cost_usd"] for row in rows] == [float(sum(costs[story_id] for story_id in ids)) for ids in both]


async def test_a_run_without_pairs_says_how_to_review(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=3)
    dataset = await prepare(client, {"generation": run_id}, format="preference")
    assert dataset["status"] == "failed"
    assert dataset["error"]["code"] == "no_reviewed_pairs"
    assert "0 accepted and 0 rejected" in dataset["error"]["message"]
    assert 'PATCH /v1/stories/{id} {"review": "accepted"}' in dataset["error"]["message"]
    assert "storymill stories review" in dataset["error"]["message"]


async def test_rows_that_are_no_pairs_are_refused(mill: Mill, client: httpx2.AsyncClient) -> None:
    file_id = await upload(client, b'{"prompt": "p", "completion": "c"}\n', "rows.jsonl")
    dataset = await prepare(client, {"file": file_id}, format="preference")
    assert "rows.jsonl holds no preference pairs" in dataset["error"]["message"]
