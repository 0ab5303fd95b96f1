"""A recipe with rules: what breaks one is kept apart with its reason and asked for anew, until each cell is full."""

from collections import Counter
from typing import Any

import httpx2
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD, BAD = "长安的英雄击退了怪兽。", "As an AI I cannot"


def order(mark: str, **rules: Any) -> dict[str, Any]:
    """Twelve cells, three stories each."""
    recipe = {
        "template": mark + "{{ number }}",
        "attributes": {"number": {"range": [1, 12]}},
        "repeats": 3,
        "model": MODEL,
        "parameters": {"max_tokens": 600, "seed": 7},
        "rules": {"must_not_contain": ["As an AI"], "ends_properly": True, **rules},
    }
    return {"recipe": recipe}


async def finish(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait until a run is over and return it."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update((await client.get(f"/v1/generations/{run_id}")).json())
        return found["status"] in {"succeeded", "failed"}

    await eventually_async(is_over, timeout_seconds=60, what="the run to end")
    return found


async def test_each_cell_ends_with_exactly_its_stories_and_every_reject_is_kept(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark, calls = new_name("则"), list[Call]()

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        calls.append(call)
        return Script(text=BAD if len(calls) % 5 == 0 else GOOD)

    mill.upstream.choose = choose
    made = (await client.post("/v1/generations", json=order(mark))).json()
    ended = await finish(client, made["id"])
    assert (ended["status"], ended["status_reason"]) == ("succeeded", None)
    assert (ended["counts"]["succeeded"], ended["counts"]["rejected"]) == (36, 0)
    stories = (await client.get(f"/v1/stories?generation_id={made['id']}&limit=100")).json()["data"]
    assert set(Counter(story["attributes"]["number"] for story in stories).values()) == {3}
    assert {story["text"] for story in stories} == {GOOD}
    rejects = []
    for story in stories:
        lineage = (await client.get(f"/v1/stories/{story['id']}/lineage")).json()
        rejects += [attempt["rejected"] for attempt in lineage["attempts"] if attempt["rejected"]]
    assert len(rejects) == len(calls) - 36 == len(calls) // 5
    assert rejects[0] == {"text": BAD, "because": "contains 'As an AI'"}
    seeds = Counter((prompt_of(call.body), call.body["seed"]) for call in calls)
    assert set(seeds.values()) == {1}, "no draw is made twice"
    tokens = ended["usage"]["prompt_tokens"] + ended["usage"]["completion_tokens"]
    assert tokens > sum(story["usage"]["total_tokens"] for story in stories), "rejects are paid for, too"


async def test_a_cell_that_cannot_be_filled_is_named(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark = new_name("缺")
    mill.upstream.choose = lambda call: (
        Script(text=BAD if prompt_of(call.body) == f"{mark}5" else GOOD)
        if prompt_of(call.body).startswith(mark)
        else None
    )
    made = (await client.post("/v1/generations", json=order(mark, tries=2))).json()
    ended = await finish(client, made["id"])
    assert (ended["counts"]["succeeded"], ended["counts"]["rejected"]) == (33, 3)
    assert ended["status_reason"].startswith("3 rejected: no text that keeps the rules")
    wanted = f"/v1/stories?generation_id={made['id']}&status=rejected"
    rejected = (await client.get(wanted)).json()["data"]
    assert [(story["attributes"], story["failure"]["class"]) for story in rejected] == [
        ({"number": 5}, "rule_broken")
    ] * 3
    asked = [call for call in mill.upstream.calls if prompt_of(call.body) == f"{mark}5"]
    assert len(asked) == 6
    cells = (await client.get(f"/v1/generations/{made['id']}/cells")).json()
    assert (cells["total"], cells["filled"]) == (12, 11)
    url = f"/v1/generations/{made['id']}"
    assert_openai_error(await client.post(f"{url}/retry"), 400, code="conflict")
    failures = (await client.get(f"/v1/generations/{made['id']}/failures")).json()["data"]
    assert [(failure["failure_class"], failure["stories"]) for failure in failures] == [("rule_broken", 3)]

    mill.upstream.choose = lambda call: Script(text=GOOD) if prompt_of(call.body).startswith(mark) else None
    retry = await client.post(f"{url}/retry", json={"status": "rejected"})
    assert (retry.status_code, retry.json()["counts"]["rejected"], retry.json()["status_reason"]) == (200, 0, None)
    mended = await finish(client, made["id"])
    assert (mended["counts"]["succeeded"], mended["counts"]["rejected"], mended["status_reason"]) == (36, 0, None)
    assert_openai_error(await client.post(f"{url}/retry", json={"status": "rejected"}), 400, code="conflict")


async def test_no_text_is_taken_twice_in_a_run(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark, calls = new_name("异"), list[Call]()

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        calls.append(call)
        return Script(text=f"{GOOD[:-1]}{len(calls) // 2}。")

    mill.upstream.choose = choose
    made = (await client.post("/v1/generations", json=order(mark, distinct=True, tries=20))).json()
    ended = await finish(client, made["id"])
    assert (ended["counts"]["succeeded"], ended["counts"]["rejected"]) == (36, 0)
    stories = (await client.get(f"/v1/stories?generation_id={made['id']}&limit=100")).json()["data"]
    assert len({story["text"] for story in stories}) == 36
    reasons = set()
    for story in stories:
        attempts = (await client.get(f"/v1/stories/{story['id']}/lineage")).json()["attempts"]
        reasons |= {attempt["rejected"]["because"][:20] for attempt in attempts if attempt["rejected"]}
    assert reasons == {"the same text as sto"}
    assert (await client.delete(f"/v1/generations/{made['id']}")).status_code == 200, "its texts go with it"


async def test_each_text_is_json_of_the_recipes_schema(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark, calls = new_name("构"), list[Call]()
    texts = ('{"hero": "奥特曼"}', '{"hero": 7}', "```json\n{}\n```", '{"name": "奥特曼"}')

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        calls.append(call)
        return Script(text=texts[len(calls) % 4])

    mill.upstream.choose = choose
    schema = {"type": "object", "required": ["hero"], "properties": {"hero": {"type": "string"}}}
    asked = order(mark, json_schema=schema, ends_properly=False, tries=40)
    made = (await client.post("/v1/generations", json=asked)).json()
    ended = await finish(client, made["id"])
    assert (ended["counts"]["succeeded"], ended["counts"]["rejected"]) == (36, 0)
    stories = (await client.get(f"/v1/stories?generation_id={made['id']}&limit=100")).json()["data"]
    assert {story["text"] for story in stories} == {texts[0]}
    reasons = set()
    for story in stories:
        attempts = (await client.get(f"/v1/stories/{story['id']}/lineage")).json()["attempts"]
        reasons |= {attempt["rejected"]["because"] for attempt in attempts if attempt["rejected"]}
    assert reasons == {
        'breaks the schema at /hero: the value is not of type "string"',
        "is no JSON",
        'breaks the schema at its top: "hero" is a required property',
    }


async def test_a_schema_that_cannot_be_held_to_is_refused_with_its_place(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    for schema in ({"$ref": "https://example.com/s"}, {"type": "strin"}, {"pattern": "(?=a)"}):
        answer = await client.post("/v1/generations", json=order(new_name("x"), json_schema=schema))
        error = assert_openai_error(answer, 400, code="invalid_recipe")
        assert error["param"] == "rules.json_schema"


async def test_rules_that_nobody_could_mean_are_refused(mill: Mill, client: httpx2.AsyncClient) -> None:
    for rules in (
        {"json_schema": {}},
        {"raise_max_tokens": 0},
        {"raise_max_tokens": 600},
        {"raise_max_tokens": 700.5},
        {"json_schema": True},
        {"min_characters": 0},
        {"tries": 0},
        {"must_contain": [""]},
        {"of_nobody": 1},
        {"script": "Klingon"},
    ):
        answer = await client.post("/v1/generations", json=order(new_name("x"), **rules))
        assert_openai_error(answer, 400)
