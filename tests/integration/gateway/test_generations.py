"""Runs: made, watched, steered, exported, reviewed, with a real worker."""

import asyncio
import csv
import hashlib
import io
import json
from typing import Any

import httpx2
import pandas as pd
import pytest
from sqlalchemy import select

from shared.stores.db.models import Generation, Story
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, bad_request, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

DYNASTIES, POWERS = ["唐", "宋", "元"], ["飞行", "=1+1"]


def recipe(**changes: Any) -> dict[str, Any]:
    """Six cells, two repeats: twelve stories, with prompts that no other test asks for."""
    return {
        "template": new_name("写") + "{{ dynasty }}朝的英雄，会{{ power }}。",
        "attributes": {"dynasty": DYNASTIES, "power": POWERS},
        "repeats": 2,
        "model": MODEL,
        "parameters": {"max_tokens": 600, "temperature": 0.5},
        **changes,
    }


async def start(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    """Start a run and return it."""
    response = await client.post("/v1/generations", json={"recipe": recipe(), **body})
    assert response.status_code == 202, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/generations/{made['id']}"
    return made


async def finish(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait until a run is over and return it."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await client.get(f"/v1/generations/{run_id}")).json())
        return found["status"] in {"succeeded", "failed", "cancelled"} and not found["counts"]["running"]

    await eventually_async(is_over, timeout_seconds=60, what="the run to end")
    return found


async def list_all(client: httpx2.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    """Return all stories, page by page."""
    stories: list[dict[str, Any]] = []
    while True:
        page = (await client.get("/v1/stories", params={"limit": 5, **params})).json()
        stories += page["data"]
        if not page["has_more"]:
            return stories
        params["after"] = page["last_id"]


async def test_a_run_writes_every_story_of_its_grid_in_order(mill: Mill, client: httpx2.AsyncClient) -> None:
    made = await start(client)
    assert (made["object"], made["counts"]["total"]) == ("generation", 12)
    over = await finish(client, made["id"])
    assert (over["status"], over["counts"]["succeeded"], over["counts"]["queued"]) == ("succeeded", 12, 0)
    assert over["usage"]["total_tokens"] > 0
    stories = await list_all(client, generation_id=made["id"])
    cells = [(dynasty, power, repeat) for dynasty in DYNASTIES for power in POWERS for repeat in range(2)]
    assert [(*story["attributes"].values(), story["repeat"]) for story in stories] == cells
    assert [story["position"] for story in stories] == list(range(12))
    for story in stories:
        assert story["prompt"].endswith(f"{story['attributes']['dynasty']}朝的英雄，会{story['attributes']['power']}。")
        assert story["text"] == story_for({"prompt": story["prompt"]})
        assert story["sha256"] == hashlib.sha256(story["text"].encode()).hexdigest()
    assert (await client.get(f"/v1/stories/{stories[0]['id']}")).json() == stories[0]


async def test_a_recorded_recipe_runs_by_name_with_changes(mill: Mill, client: httpx2.AsyncClient) -> None:
    named = {**recipe(), "name": new_name("recipe")}
    recorded = (await client.post("/v1/recipes", json=named)).json()
    made = await start(client, recipe=named["name"], repeats=1, limit=4)
    assert (made["repeats"], made["counts"]["total"]) == (1, 4)
    assert made["recipe"] == {
        "id": recorded["id"],
        "name": named["name"],
        "version": 1,
        "version_id": recorded["version_id"],
    }
    await finish(client, made["id"])
    assert len(await list_all(client, generation_id=made["id"])) == 4
    runs = (await client.get("/v1/generations", params={"status": "succeeded"})).json()["data"]
    assert [run["id"] for run in runs] == [made["id"]]


async def test_a_large_run_is_expanded_by_the_worker(mill: Mill, client: httpx2.AsyncClient) -> None:
    large = recipe(attributes={"dynasty": DYNASTIES, "power": {"range": [1, 400]}})
    made = await start(client, recipe=large)
    assert made["counts"]["total"] == 2400
    over = await finish(client, made["id"])
    assert over["counts"]["succeeded"] == 2400
    exported = (await client.get(f"/v1/generations/{made['id']}/export", params={"format": "jsonl"})).text
    rows = [json.loads(line) for line in exported.splitlines()]
    expected = [(d, p, r) for d in DYNASTIES for p in range(1, 401) for r in range(2)]
    assert [(*row["attributes"].values(), row["repeat"]) for row in rows] == expected


async def test_events_tell_the_progress_and_end(mill: Mill, client: httpx2.AsyncClient) -> None:
    gate = asyncio.Event()
    mill.upstream.choose = lambda call: Script(gate=gate)
    made = await start(client)
    events: list[tuple[str, dict[str, Any]]] = []
    async with client.stream("GET", f"/v1/generations/{made['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
                if events[-1][1]["counts"]["running"]:
                    mill.upstream.choose = None
                    gate.set()
    assert [name for name, _ in events] == ["progress"] * (len(events) - 1) + ["end"]
    assert len(events) >= 2
    last = events[-1][1]
    assert (last["status"], last["counts"]["succeeded"], last["eta_seconds"]) == ("succeeded", 12, 0.0)


async def test_a_run_is_paused_resumed_and_cancelled(mill: Mill, client: httpx2.AsyncClient) -> None:
    gate = asyncio.Event()
    mill.upstream.choose = lambda call: Script(gate=gate)
    made = await start(client, recipe=recipe(repeats=200), requests_per_minute=600)
    url = f"/v1/generations/{made['id']}"

    async def is_running() -> bool:
        return bool((await client.get(url)).json()["counts"]["running"])

    await eventually_async(is_running, what="the run to begin")
    paused = (await client.post(f"{url}/pause")).json()
    assert (paused["status"], paused["status_reason"]) == ("paused", "requested")
    assert (await client.post(f"{url}/pause")).status_code == 200
    resumed = (await client.post(f"{url}/resume")).json()
    assert resumed["status"] in {"queued", "running"}
    assert_openai_error(await client.post(f"{url}/resume"), 400, code="conflict")
    cancelled = (await client.post(f"{url}/cancel")).json()
    assert cancelled["status"] == "cancelled"
    gate.set()
    mill.upstream.choose = None
    over = await finish(client, made["id"])
    counts = over["counts"]
    assert counts["queued"] == 0
    assert counts["cancelled"] > 0
    assert sum(value for name, value in counts.items() if name != "total") == counts["total"] == 1200
    assert (await client.post(f"{url}/cancel")).status_code == 200
    for verb in ("pause", "resume"):
        assert_openai_error(await client.post(f"{url}/{verb}"), 400, code="conflict")


async def test_a_failed_story_says_why(mill: Mill, client: httpx2.AsyncClient) -> None:
    def refuse_song(call: Call) -> Script | None:
        return bad_request("no stories of 宋") if "宋" in str(call.body.get("prompt")) else None

    mill.upstream.choose = refuse_song
    made = await start(client)
    over = await finish(client, made["id"])
    mill.upstream.choose = None
    assert (over["status"], over["counts"]["failed"], over["counts"]["succeeded"]) == ("succeeded", 4, 8)
    failed = await list_all(client, generation_id=made["id"], status="failed")
    assert len(failed) == 4
    assert failed[0]["failure"]["class"] == "invalid_request"
    assert "no stories of 宋" in failed[0]["failure"]["message"]
    assert_openai_error(await client.patch(f"/v1/stories/{failed[0]['id']}", json={"review": "accepted"}), 400)


async def test_a_cell_whose_prompt_does_not_render_fails_alone_and_hides_no_other(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    template = "{% if dynasty == '唐' %}{{ power > 3 }}{% else %}写{{ dynasty }}的故事。{% endif %}"
    attributes = {"dynasty": ["唐", "北宋"], "power": ["飞行"]}
    made = await start(client, recipe=recipe(template=template, attributes=attributes, repeats=1))
    await finish(client, made["id"])
    bad, good = await list_all(client, generation_id=made["id"])
    assert (bad["status"], bad["prompt"]) == ("failed", None)
    assert "cannot be rendered" in bad["failure"]["message"]
    assert (good["status"], good["prompt"]) == ("succeeded", "写北宋的故事。")
    assert (await client.get(f"/v1/stories/{bad['id']}")).json() == bad


async def test_stories_are_filtered_reviewed_and_traced(mill: Mill, client: httpx2.AsyncClient) -> None:
    made = await start(client)
    await finish(client, made["id"])
    tang = await list_all(client, generation_id=made["id"], attributes=json.dumps({"dynasty": "唐"}))
    assert [story["attributes"]["dynasty"] for story in tang] == ["唐"] * 4
    url = f"/v1/stories/{tang[0]['id']}"
    accepted = (await client.patch(url, json={"review": "accepted"})).json()
    assert (accepted["review"], accepted["text"], accepted["original_text"]) == ("accepted", tang[0]["text"], None)
    edited = (await client.patch(url, json={"text": "改过的故事。"})).json()
    assert (edited["text"], edited["original_text"], edited["review"]) == ("改过的故事。", tang[0]["text"], "accepted")
    assert edited["sha256"] == hashlib.sha256("改过的故事。".encode()).hexdigest()
    twice = (await client.patch(url, json={"text": "又改。", "review": None})).json()
    assert (twice["original_text"], twice["review"]) == (tang[0]["text"], None)
    lineage = (await client.get(f"{url}/lineage")).json()
    assert (lineage["generation_id"], lineage["is_edited"]) == (made["id"], True)
    assert [attempt["outcome"] for attempt in lineage["attempts"]] == ["succeeded"]
    async with await mill.client(new_name("stranger")) as stranger:
        for path in (url, f"{url}/lineage", f"/v1/generations/{made['id']}", f"/v1/stories?generation_id={made['id']}"):
            assert_openai_error(await stranger.get(path), 404, code="not_found")
        assert_openai_error(await stranger.patch(url, json={"review": "rejected"}), 404)
        assert_openai_error(await stranger.post(f"/v1/generations/{made['id']}/cancel"), 404)


async def test_exports_are_the_same_bytes_whatever_the_workers_did(mill: Mill, client: httpx2.AsyncClient) -> None:
    asked = recipe()
    runs = []
    for delays in ((0.0, 0.3), (0.3, 0.0)):  # the first stories come last, and the other way round
        mill.upstream.choose = lambda call, delays=delays: Script(  # type: ignore[misc]
            delay_seconds=delays["唐" in str(call.body["prompt"])]
        )
        runs.append((await finish(client, (await start(client, recipe=asked))["id"]))["id"])
    mill.upstream.choose = None
    for format in ("csv", "jsonl", "parquet"):
        exports = [await client.get(f"/v1/generations/{run}/export", params={"format": format}) for run in runs]
        assert exports[0].content == exports[1].content
        assert f"{runs[0]}.{format}" in exports[0].headers["content-disposition"]
    table = list(csv.reader(io.StringIO((await client.get(f"/v1/generations/{runs[0]}/export")).text)))
    assert table[0] == ["dynasty", "power", "story"]
    assert len(table) == 13
    parquet = (await client.get(f"/v1/generations/{runs[0]}/export", params={"format": "parquet"})).content
    frame = pd.read_parquet(io.BytesIO(parquet))
    assert frame["story"].tolist() == [row[2] for row in table[1:]]
    assert frame["dynasty"].tolist() == [row[0] for row in table[1:]]


async def test_a_spreadsheet_gets_no_formulas_when_asked(mill: Mill, client: httpx2.AsyncClient) -> None:
    made = await start(client)
    await finish(client, made["id"])
    params = {"format": "csv", "safe_for_spreadsheets": "true"}
    content = (await client.get(f"/v1/generations/{made['id']}/export", params=params)).content
    assert content.startswith("\ufeff".encode())
    assert b",'=1+1," in content
    assert b",=1+1," in (await client.get(f"/v1/generations/{made['id']}/export")).content


async def test_a_story_of_quotes_commas_and_newlines_survives_the_csv(mill: Mill, client: httpx2.AsyncClient) -> None:
    text = '他说："走，\n现在"，\r\n然后——'
    mill.upstream.choose = lambda call: Script(text=text)
    made = await start(client, limit=1)
    await finish(client, made["id"])
    mill.upstream.choose = None
    exported = (await client.get(f"/v1/generations/{made['id']}/export")).content.decode()
    assert list(csv.reader(io.StringIO(exported, newline="")))[1][2] == text


async def test_an_estimate_writes_nothing_and_learns_from_runs(mill: Mill, client: httpx2.AsyncClient) -> None:
    named = {**recipe(), "name": new_name("recipe")}
    await client.post("/v1/recipes", json=named)
    before = await mill.count_rows()
    body = {"recipe": named["name"], "requests_per_minute": 6}
    guess = (await client.post("/v1/generations/estimate", json=body)).json()
    assert await mill.count_rows() == before
    assert (guess["total"], guess["seconds_at_least"]) == (12, 120.0)
    assert guess["completion_tokens"] == {"low": 0, "expected": 3600, "high": 7200}
    assert guess["cost_usd"] is None
    assert any("no price" in note for note in guess["notes"])
    over = await finish(client, (await start(client, recipe=named["name"]))["id"])
    learnt = (await client.post("/v1/generations/estimate", json=body)).json()
    for kind in ("prompt_tokens", "completion_tokens"):
        assert learnt[kind]["low"] <= over["usage"][kind] <= learnt[kind]["high"]
    assert learnt["completion_tokens"]["high"] < guess["completion_tokens"]["high"]


async def test_a_run_is_written_whole_or_not_at_all(mill: Mill, client: httpx2.AsyncClient) -> None:
    made = await start(client, limit=3)
    async with mill.database.transaction() as session:
        run = (await session.scalars(select(Generation).where(Generation.id == made["id"]))).one()
        rows = (await session.scalars(select(Story).where(Story.generation_id == made["id"]))).all()
    assert (run.expanded, len(rows)) == (3, 3)
    assert len({row.row_key for row in rows}) == 3
    await finish(client, made["id"])
