"""The article's 486 stories, written by a run and prepared into a dataset, from grid to training file and back."""

from collections import defaultdict

import httpx2
import pytest

from tests.support.dataset_mill import export, order, prepare, read_rows, wait_for, write_article
from tests.support.gateway import Mill, assert_openai_error, new_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_articles_486_rows_end_to_end(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client)
    dataset = await prepare(client, {"generation": run_id}, validation_share=0.1, seed=7)
    assert dataset["status"] == "succeeded", dataset["error"]
    counts = dataset["counts"]
    assert (counts["rows"], counts["kept"], counts["train"] + counts["validation"]) == (486, 486, 486)
    assert 20 <= counts["validation"] <= 80
    assert dataset["template"] | {"max_tokens": None} == {
        "format": "completion",
        "separator": " ->",
        "stop": "。",
        "starts_with_space": True,
        "max_tokens": None,
    }
    assert dataset["fixes"] == ["add_separator", "leading_space"]

    sides = {split: await export(client, dataset["id"], split) for split in ("train", "validation")}
    prompts = {split: {row["prompt"] for row in rows} for split, rows in sides.items()}
    assert not prompts["train"] & prompts["validation"]
    assert "唐,隐形,轻松 ->" in prompts["train"] | prompts["validation"]
    repeats: dict[str, set[str]] = defaultdict(set)
    for row in sides["train"] + sides["validation"]:
        assert row["completion"].startswith(" ")
        assert row["completion"].endswith("。")
        repeats[row["prompt"]].add(row["completion"])
    assert len(repeats) == 162
    assert all(len(stories) == 3 for stories in repeats.values())

    await check_lineage(client, dataset, run_id)
    await check_report(client, dataset)
    await check_files(client, dataset)


async def check_lineage(client: httpx2.AsyncClient, dataset: dict, run_id: str) -> None:  # type: ignore[type-arg]
    """From each row to its story, and from the story back."""
    rows = await read_rows(client, dataset["id"])
    assert [row["id"] for row in rows] == [f"row_{position}" for position in range(486)]
    assert len({row["story_id"] for row in rows}) == 486
    assert {(row["generation_id"], row["recipe"], row["model"]) for row in rows} == {(run_id, "ultraman", "scripted-1")}
    held_out = await read_rows(client, dataset["id"], split="validation")
    assert [row["row"] for row in held_out] == await export(client, dataset["id"], "validation")
    for row in (rows[0], rows[-1]):
        story = (await client.get(f"/v1/stories/{row['story_id']}")).json()
        assert row["row"]["completion"] == f" {story['text']}"
        assert row["row"]["prompt"] == ",".join(story["attributes"].values()) + " ->"
        lineage = (await client.get(f"/v1/stories/{row['story_id']}/lineage")).json()
        assert lineage["recipe_version"] == row["recipe_version"]
        place = {"dataset_id": dataset["id"], "version": dataset["version"], "split": row["split"]}
        assert lineage["datasets"] == [{**place, "position": int(row["id"].removeprefix("row_"))}]


async def check_report(client: httpx2.AsyncClient, dataset: dict) -> None:  # type: ignore[type-arg]
    """Numbers and page."""
    report = (await client.get(f"/v1/datasets/{dataset['id']}/report")).json()
    assert report["counts"] == dataset["counts"]
    assert report["tokens"]["model"] == "gpt-3.5-turbo"
    page = await client.get(f"/v1/datasets/{dataset['id']}/report?format=html")
    assert page.headers["content-type"].startswith("text/html")
    assert "<svg" in page.text


async def check_files(client: httpx2.AsyncClient, dataset: dict) -> None:  # type: ignore[type-arg]
    """Ready for a fine-tuning job, and not to be deleted."""
    listed = (await client.get("/v1/files?purpose=fine-tune")).json()["data"]
    assert {file["id"] for file in listed} == {dataset["files"]["train"], dataset["files"]["validation"]}
    for file_id in dataset["files"].values():
        assert_openai_error(await client.delete(f"/v1/files/{file_id}"), 400, code="conflict")


async def test_equal_rows_are_one_version_and_a_review_makes_another(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=12)
    first = await prepare(client, {"generation": run_id})
    again = await prepare(client, {"generation": run_id}, model="gpt-4o")
    assert (first["version"], first["files"]["train"]) == (again["version"], again["files"]["train"])
    stories = (await client.get(f"/v1/stories?generation_id={run_id}&limit=2")).json()["data"]
    await client.patch(f"/v1/stories/{stories[0]['id']}", json={"review": "rejected"})
    await client.patch(f"/v1/stories/{stories[1]['id']}", json={"text": "审稿人改过的故事，从头到尾都是新的。"})
    reviewed = await prepare(client, {"generation": run_id}, validation_share=0)
    assert reviewed["version"] != first["version"]
    assert reviewed["files"]["validation"] is None
    rows = await read_rows(client, reviewed["id"])
    assert len(rows) == 11
    assert stories[0]["id"] not in {row["story_id"] for row in rows}
    assert any("审稿人改过" in row["row"]["completion"] for row in rows)
    lineage = (await client.get(f"/v1/stories/{stories[0]['id']}/lineage")).json()
    assert [entry["dataset_id"] for entry in lineage["datasets"]] == [first["id"], again["id"]]


async def test_chat_rows_carry_the_recipes_prompt_and_a_system_message(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=12)
    options = {"format": "chat", "prompt": "recipe", "system": "你是作家。", "validation_share": 0.2}
    dataset = await prepare(client, {"generation": run_id}, **options)
    assert dataset["status"] == "succeeded", dataset["error"]
    assert dataset["template"]["format"] == "chat"
    messages = (await export(client, dataset["id"], "train"))[0]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[1]["content"].startswith("请你用中文写一段300字的故事")


async def test_a_split_stratified_by_an_attribute_holds_out_each_value(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=162)
    dataset = await prepare(client, {"generation": run_id}, validation_share=0.2, stratify="story_type")
    held_out = await export(client, dataset["id"], "validation")
    kinds = [row["prompt"].removesuffix(" ->").split(",")[2] for row in held_out]
    assert set(kinds) == {"轻松", "努力", "艰难"}


async def test_a_dataset_belongs_to_its_project(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=12)
    dataset = await prepare(client, {"generation": run_id})
    assert [item["id"] for item in (await client.get("/v1/datasets")).json()["data"]] == [dataset["id"]]
    async with await mill.client(new_name("other")) as stranger:
        for path in ("", "/report", "/report?format=html", "/rows", "/export"):
            assert_openai_error(await stranger.get(f"/v1/datasets/{dataset['id']}{path}"), 404)
        assert (await stranger.get("/v1/datasets")).json()["data"] == []
        body = {"sources": [{"generation": run_id}]}
        assert_openai_error(await stranger.post("/v1/datasets", json=body), 404, param="sources.0")


async def test_the_same_order_under_one_idempotency_key_is_one_dataset(mill: Mill, client: httpx2.AsyncClient) -> None:
    run_id = await write_article(mill, client, limit=12)
    headers, body = {"idempotency-key": new_name("key")}, {"sources": [{"generation": run_id}]}
    answers = [await client.post("/v1/datasets", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert len((await client.get("/v1/datasets")).json()["data"]) == 1
    await wait_for(client, f"/v1/datasets/{answers[0].json()['id']}")


async def test_an_unprepared_dataset_cannot_be_read_yet(gateway: Mill, client: httpx2.AsyncClient) -> None:
    file = await client.post(
        "/v1/files", files={"file": ("a.csv", b"prompt,completion\na,b\n")}, data={"purpose": "fine-tune"}
    )
    dataset = await order(client, {"file": file.json()["id"]})
    for path in ("/report", "/report?format=html", "/rows", "/export"):
        assert_openai_error(await client.get(f"/v1/datasets/{dataset['id']}{path}"), 400, code="conflict")
