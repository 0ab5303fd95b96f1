"""Grids that are not the whole product: cells skipped, samples drawn, examples lent, values taken from elsewhere."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storymill.cli.recipe_values import send_values
from storymill.client.rest import Api
from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.typed_commands import Terminal
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "长安的英雄击退了怪兽。"


def recipe(mark: str, **changes: Any) -> dict[str, Any]:
    """Six cells, two stories each."""
    return {
        "template": mark + "{{ dynasty }}/{{ weapon }}",
        "attributes": {"dynasty": ["唐", "宋", "清"], "weapon": ["剑", "枪"]},
        "repeats": 2,
        "model": MODEL,
        "parameters": {"max_tokens": 600},
        **changes,
    }


async def write_all(client: httpx2.AsyncClient, body: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Run a recipe to its end and return the run's id and its stories."""
    answer = await client.post("/v1/generations", json=body)
    assert answer.status_code == 202, answer.text
    run_id = str(answer.json()["id"])

    async def is_over() -> bool:
        return (await client.get(f"/v1/generations/{run_id}")).json()["status"] == "succeeded"

    await eventually_async(is_over, timeout_seconds=60, what="the run to end")
    return run_id, (await client.get(f"/v1/stories?generation_id={run_id}&limit=100")).json()["data"]


def cells_of(stories: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The cell and repeat of each."""
    return [(*story["attributes"].values(), story["repeat"]) for story in stories]


async def send_file(client: httpx2.AsyncClient, name: str, content: bytes) -> str:
    """Keep a file and return its id."""
    sent = await client.post("/v1/files", data={"purpose": "user_data"}, files={"file": (name, content)})
    assert sent.status_code == 200, sent.text
    return str(sent.json()["id"])


async def test_skipped_cells_are_not_written_and_the_recipe_can_be_read_and_recorded_again(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    asked = recipe(new_name("略"), name=new_name("skip"), skip=[{"weapon": "枪", "dynasty": {"not": ["清"]}}])
    made = (await client.post("/v1/recipes", json=asked)).json()
    assert (made["cells"], made["stories"], made["skip"]) == (4, 8, asked["skip"])
    fields = (*asked, "sample", "pools", "format")
    again = await client.post("/v1/recipes", json={name: made[name] for name in fields})
    assert (again.status_code, again.json()["version_id"]) == (200, made["version_id"])
    _, stories = await write_all(client, {"recipe": asked["name"]})
    wanted = [("唐", "剑"), ("宋", "剑"), ("清", "剑"), ("清", "枪")]
    assert cells_of(stories) == [(*cell, repeat) for cell in wanted for repeat in range(2)]


async def test_a_grid_beyond_64_bits_can_be_cut_too(gateway: Mill, client: httpx2.AsyncClient) -> None:
    attributes = {"dynasty": {"range": [1, 10**12]}, "weapon": {"range": [1, 10**12]}}
    asked = recipe("x", name=new_name("vast"), attributes=attributes, skip=[{"dynasty": 1, "weapon": 2}])
    made = await client.post("/v1/recipes", json=asked)
    assert made.status_code == 201, made.text
    assert made.json()["cells"] == pytest.approx(1e24)


async def test_an_extended_run_has_the_same_cells_and_the_grid_is_part_of_what_is_alike(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark = new_name("续")
    skip = {"skip": [{"weapon": "枪"}]}
    first, _ = await write_all(client, {"recipe": recipe(mark, **skip), "extend": True})
    more, stories = await write_all(client, {"recipe": recipe(mark, **skip, repeats=3), "extend": True})
    assert more == first
    assert sorted(cells_of(stories)) == [(d, "剑", r) for d in sorted("唐宋清") for r in range(3)]
    other, _ = await write_all(client, {"recipe": recipe(mark, repeats=3), "extend": True})
    assert other != first


async def test_a_sample_is_spread_over_the_grid_and_a_worker_expands_the_same_one(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark = new_name("抽")
    attributes = {"dynasty": {"range": [1, 10**9]}, "weapon": ["剑", "枪"]}
    drawn = recipe(mark, attributes=attributes, repeats=1, sample={"cells": 40, "seed": 5})
    _, stories = await write_all(client, {"recipe": drawn})
    assert len({cell[0] for cell in cells_of(stories)}) == 40
    assert {cell[1] for cell in cells_of(stories)} == {"剑", "枪"}
    large = {**drawn, "sample": {"cells": 2_500, "seed": 5}}  # more than the gateway inserts by itself
    made = (await client.post("/v1/generations", json={"recipe": large})).json()

    async def is_there() -> bool:
        page = await client.get(f"/v1/stories?generation_id={made['id']}&limit=40")
        return cells_of(page.json()["data"]) == cells_of(stories)

    await eventually_async(is_there, timeout_seconds=60, what="the worker to insert the same sample")
    await client.post(f"/v1/generations/{made['id']}/cancel")


async def test_each_prompt_shows_examples_of_a_pool_and_the_story_tells_the_same_prompt(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark, calls = new_name("例"), list[Call]()

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        calls.append(call)
        return Script(text=TEXT)

    mill.upstream.choose = choose
    texts = [f"范文{number}" for number in range(30)]
    pools = {"examples": {"texts": texts, "count": 3, "separator": "|"}}
    asked = recipe(mark, template=mark + "{{ examples }}>{{ dynasty }}{{ weapon }}", pools=pools)
    run_id, stories = await write_all(client, {"recipe": asked})
    sent = {prompt_of(call.body) for call in calls}
    assert {story["prompt"] for story in stories} == sent
    assert len(sent) == 12, "each row has its own draw"
    for prompt in sent:
        shown = prompt.removeprefix(mark).partition(">")[0].split("|")
        assert len(set(shown)) == 3
        assert set(shown) <= set(texts)
    export = (await client.get(f"/v1/generations/{run_id}/export?format=csv")).text
    assert export.splitlines()[0] == "dynasty,weapon,story"


async def test_attributes_come_from_a_file_and_stay_when_it_is_deleted(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark = new_name("册")
    file_id = await send_file(client, "names.csv", "no,name\n1,岳飞\n2,李白\n3,岳飞\n".encode())
    attributes = {"dynasty": {"file": file_id, "column": "name"}, "weapon": ["剑"]}
    asked = recipe(mark, name=new_name("file"), attributes=attributes, repeats=1)
    made = (await client.post("/v1/recipes", json=asked)).json()
    assert made["attributes"]["dynasty"] == ["岳飞", "李白"]
    written = recipe(mark, name=asked["name"], attributes=made["attributes"], repeats=1)
    assert (await client.post("/v1/recipes", json=written)).status_code == 200, "the same as if it had been written"
    assert (await client.delete(f"/v1/files/{file_id}")).status_code == 200
    _, stories = await write_all(client, {"recipe": asked["name"]})
    assert cells_of(stories) == [("岳飞", "剑", 0), ("李白", "剑", 0)]


async def test_attributes_and_pools_come_from_an_earlier_runs_stories(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark = new_name("前")
    mill.upstream.choose = lambda call: (
        Script(text=f"写{prompt_of(call.body)[-1]}。") if prompt_of(call.body).startswith(mark) else None
    )
    first, stories = await write_all(client, {"recipe": recipe(mark, repeats=1)})
    await client.patch(f"/v1/stories/{stories[0]['id']}", json={"review": "rejected"})
    await client.patch(f"/v1/stories/{stories[1]['id']}", json={"text": "改过。"})
    attributes = {"dynasty": {"stories": first}, "weapon": {"stories": first, "attribute": "weapon"}}
    again = recipe(mark, name=new_name("next"), attributes=attributes, repeats=1)
    made = (await client.post("/v1/recipes", json=again)).json()
    assert made["attributes"] == {"dynasty": ["改过。", "写剑。", "写枪。"], "weapon": ["枪", "剑"]}
    pools = {"examples": {"texts": {"stories": first}, "count": 2}}
    pooled = recipe(mark, name=new_name("pool"), template="{{ examples }}{{ dynasty }}{{ weapon }}", pools=pools)
    answer = (await client.post("/v1/recipes", json=pooled)).json()
    assert answer["pools"]["examples"]["texts"] == ["改过。", "写剑。", "写枪。"]


async def test_a_recipe_file_may_name_files_beside_it(mill: Mill, client: httpx2.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "names.jsonl").write_text('{"name": "岳飞"}\n{"name": "李白"}\n', encoding="utf-8")
    (tmp_path / "pool.csv").write_text("text\n范文一\n范文二\n", encoding="utf-8")
    asked = recipe(
        "{{ examples }}",
        name=new_name("beside"),
        attributes={"dynasty": {"file": "names.jsonl", "column": "name"}, "weapon": ["剑"]},
        pools={"examples": {"texts": {"file": "pool.csv"}}},
    )
    key = client.headers["authorization"].removeprefix("Bearer ")

    def record() -> dict[str, Any]:
        with Api(str(client.base_url).rstrip("/") + "/v1", key) as api, send_values(api, asked, tmp_path) as sent:
            return api.post("/recipes", sent)

    made = await asyncio.to_thread(record)
    assert made["attributes"]["dynasty"] == ["岳飞", "李白"]
    assert made["pools"]["examples"]["texts"] == ["范文一", "范文二"]
    left = (await client.get("/v1/files?purpose=user_data")).json()["data"]
    assert not {"names.jsonl", "pool.csv"} & {file["filename"] for file in left}


async def test_an_estimate_is_typed_and_makes_no_run(mill: Mill, tmp_path: Path) -> None:
    terminal = Terminal(mill, await mill.key(new_name("typed")), tmp_path)
    file = tmp_path / "recipe.yaml"
    asked = recipe("x", attributes={"dynasty": {"file": "names.csv"}, "weapon": ["剑"]}, sample={"cells": 2})
    file.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    refused = await terminal.run("generate", file, "--estimate", status=1)
    assert f"attributes.dynasty: there is no file {tmp_path / 'names.csv'}" in refused
    (tmp_path / "names.csv").write_text("name\n岳飞\n李白\n武松\n", encoding="utf-8")
    told = await terminal.run("generate", file, "--estimate", "--requests-per-minute", 60)
    assert f"estimate: 4 stories by {MODEL}" in told
    assert "stories: about 1,200 tokens (0 to 2,400)" in told
    assert "time: at least 0:04" in told
    assert "- prompt tokens estimated from the length of the prompts" in told
    assert (await terminal.run("generations", "list", "--ids")).split() == []


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"skip": [{"dinasty": "唐"}]}, "skip.0.dinasty", "is not among the attributes (dynasty, weapon)"),
        ({"skip": [{"dynasty": "元"}]}, "skip.0.dynasty", "is not among the values of 'dynasty'"),
        ({"skip": [{"dynasty": ["唐", "宋"]}, {"dynasty": "清"}]}, "skip", "skip every cell"),
        ({"sample": {"cells": 7}}, "sample.cells", "7 are to be drawn, and the grid has 6"),
        ({"pools": {"weapon": {"texts": ["a"]}}}, "pools.weapon", "there is an attribute of this name"),
        ({"pools": {"examples": {"texts": ["a"]}}}, "pools.examples", "the template does not show it"),
        ({"attributes": {"dynasty": {"file": "file-none"}}}, "attributes.dynasty", "No such File object: file-none"),
        ({"attributes": {"dynasty": {"stories": "gen-none"}}}, "attributes.dynasty", "No generation 'gen-none'"),
        ({"attributes": {"dynasty": {"file": 7}}}, "attributes.dynasty", 'give {"file": id, "column": name}'),
        ({"attributes": {"dynasty": {"weighted": {"唐": -1}}}}, "attributes.dynasty", "a weight is a whole number"),
    ],
)
async def test_a_bad_grid_is_refused_with_its_place(
    gateway: Mill, client: httpx2.AsyncClient, change: dict[str, Any], param: str, words: str
) -> None:
    answer = await client.post("/v1/generations", json={"recipe": recipe("x", **change)})
    error = assert_openai_error(answer, 400)
    assert error["param"] == param
    assert words in error["message"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"title\nx\n", "it has no such column; its columns: 'title'"),
        ("a.csv", b"name\n\xff\xfe\n", "line 2 is not UTF-8"),
        ("a.csv", b"name\n" + b"x" * 5000 + b"\n", "a value has at most 4096 characters"),
        ("a.csv", b"name\n" + b"\n".join(b"%d" % n for n in range(10_001)), "more than 10000 different values"),
        ("a.csv", b"name\n" + b"".join(b"%d" % n + b"x" * 4000 + b"\n" for n in range(3000)), "larger than a recipe"),
    ],
)
async def test_a_file_that_holds_no_values_is_refused(
    gateway: Mill, client: httpx2.AsyncClient, name: str, content: bytes, words: str
) -> None:
    file_id = await send_file(client, name, content)
    attributes = {"dynasty": {"file": file_id, "column": "name"}, "weapon": ["剑"]}
    answer = await client.post("/v1/generations", json={"recipe": recipe("x", attributes=attributes)})
    error = assert_openai_error(answer, 400)
    assert error["param"] == "attributes.dynasty"
    assert words in error["message"]
