"""A run that shows what a story takes before all are paid for: over REST and on the command line."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.typed_commands import Terminal
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD, BAD = "长安的英雄击退了怪兽。", "As an AI I cannot"


def recipe(mark: str) -> dict[str, Any]:
    """Twelve cells, three stories each."""
    return {
        "template": mark + "{{ number }}",
        "attributes": {"number": {"range": [1, 12]}},
        "repeats": 3,
        "model": MODEL,
        "parameters": {"max_tokens": 600},
        "rules": {"must_not_contain": ["As an AI"]},
    }


async def wait_for(client: httpx2.AsyncClient, run_id: str, status: str) -> dict[str, Any]:
    """Wait until a run has a status and return it."""
    found: dict[str, Any] = {}

    async def is_so() -> bool:
        found.update((await client.get(f"/v1/generations/{run_id}")).json())
        return bool(found["status"] == status)

    await eventually_async(is_so, timeout_seconds=60, what=f"the run to be {status}")
    return found


async def test_a_pilot_is_forecast_from_and_nothing_of_it_is_written_twice(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mark, calls = new_name("试"), list[Call]()

    def choose(call: Call) -> Script | None:
        if not prompt_of(call.body).startswith(mark):
            return None
        calls.append(call)
        return Script(text=BAD if len(calls) == 2 else GOOD)

    mill.upstream.choose = choose
    made = (await client.post("/v1/generations", json={"recipe": recipe(mark), "pilot": 4})).json()
    assert made["pilot"] == 4
    paused = await wait_for(client, made["id"], "paused")
    assert (paused["status_reason"], paused["counts"]["succeeded"], len(calls)) == ("pilot", 4, 5)
    asked = sorted(int(prompt_of(call.body).removeprefix(mark)) for call in calls)
    assert sorted(set(asked)) == [1, 4, 7, 10], "spread over the grid"

    told = (await client.get(f"/v1/generations/{made['id']}/forecast")).json()
    seen = told["seen"]
    assert (told["left"], seen["stories"], seen["calls"], seen["rejected_calls"]) == (32, 4, 5, 1)
    assert seen["reject_rate"] == 0.2
    assert told["prompt_tokens"]["low"] <= told["prompt_tokens"]["expected"] <= told["prompt_tokens"]["high"]
    assert told["completion_tokens"]["expected"] == pytest.approx(32 * seen["completion_tokens_per_story"], rel=0.01)
    assert any("price" in note or "toml" in note for note in told["notes"])

    await client.post(f"/v1/generations/{made['id']}/resume")
    ended = await wait_for(client, made["id"], "succeeded")
    assert (ended["counts"]["succeeded"], len(calls)) == (36, 37)


async def test_before_anything_is_written_nothing_is_forecast(mill: Mill, client: httpx2.AsyncClient) -> None:
    mark = new_name("空")
    mill.upstream.choose = lambda call: Script(delay_seconds=60) if prompt_of(call.body).startswith(mark) else None
    made = (await client.post("/v1/generations", json={"recipe": recipe(mark)})).json()
    told = (await client.get(f"/v1/generations/{made['id']}/forecast")).json()
    assert (told["seen"]["stories"], told["prompt_tokens"], told["cost_usd"]) == (0, None, None)
    assert told["notes"][0].startswith("too few stories")
    await client.post(f"/v1/generations/{made['id']}/cancel")
    assert_openai_error(await client.get("/v1/generations/gen-none/forecast"), 404)


async def test_a_pilot_is_forecast_from_as_it_was_once_the_run_is_extended(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    mill.upstream.choose = None
    asked = recipe(new_name("延"))
    made = (await client.post("/v1/generations", json={"recipe": asked, "pilot": 4})).json()
    await wait_for(client, made["id"], "paused")
    extended = await client.post("/v1/generations", json={"recipe": asked, "repeats": 5, "extend": True})
    assert (extended.json()["id"], extended.json()["counts"]["total"]) == (made["id"], 60)
    told = (await client.get(f"/v1/generations/{made['id']}/forecast")).json()
    assert (told["seen"]["stories"], told["left"]) == (4, 56)
    assert told["completion_tokens"]["expected"] > 0


async def test_what_was_cancelled_is_no_story_that_cost_nothing(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.choose = None
    made = (await client.post("/v1/generations", json={"recipe": recipe(new_name("止")), "pilot": 4})).json()
    await wait_for(client, made["id"], "paused")
    url = f"/v1/generations/{made['id']}"
    before = (await client.get(f"{url}/forecast")).json()
    await client.post(f"{url}/cancel")

    async def are_cancelled() -> bool:
        found = await client.get(f"/v1/stories?generation_id={made['id']}&status=cancelled&limit=100")
        return len(found.json()["data"]) == 32

    await eventually_async(are_cancelled, timeout_seconds=60, what="the rows to be cancelled")
    told = (await client.get(f"{url}/forecast")).json()
    assert (told["seen"], told["left"]) == (before["seen"], 0)
    without = (await client.post("/v1/generations", json={"recipe": recipe(new_name("全")), "limit": 3})).json()
    await wait_for(client, without["id"], "succeeded")
    seen = (await client.get(f"/v1/generations/{without['id']}/forecast")).json()["seen"]
    assert (seen["stories"], seen["failed"], seen["rejected"]) == (3, 0, 0)


async def test_a_pilot_without_a_story_says_so_and_nobody_goes_on_unasked(
    mill: Mill, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    mark = new_name("空")
    mill.upstream.choose = lambda call: Script(text=BAD) if prompt_of(call.body).startswith(mark) else None
    terminal = Terminal(mill, await mill.key(new_name("typed")), tmp_path)
    file = tmp_path / "recipe.json"
    refused = recipe(mark)
    refused["rules"]["tries"] = 1
    file.write_text(json.dumps(refused), encoding="utf-8")
    told = await terminal.run("generate", file, "--pilot", 4, "--yes", status=1)
    assert "- of 4 stories 4 rejected" in told
    assert "none of the pilot's stories was written" in told
    assert "storymill generations resume gen" in told
    assert "leave out --detach" in await terminal.run("generate", file, "--pilot", 4, "--yes", "--detach", status=1)


async def test_who_watches_is_told_why_stories_fail_also_where_none_succeeds(mill: Mill, tmp_path: Path) -> None:
    mark = new_name("败")
    mill.upstream.choose = lambda call: (
        Script(text=BAD, delay_seconds=0.5) if prompt_of(call.body).startswith(mark) else None
    )
    terminal = Terminal(mill, await mill.key(new_name("typed")), tmp_path)
    file = tmp_path / "recipe.json"
    refused = recipe(mark)
    refused["rules"]["tries"] = 1
    file.write_text(json.dumps(refused), encoding="utf-8")
    assert "× rule broken" in await terminal.run("generate", file)


async def test_a_pilot_of_all_stories_is_none(mill: Mill, client: httpx2.AsyncClient) -> None:
    mill.upstream.choose = None
    asked = {"recipe": recipe(new_name("全")), "limit": 3, "pilot": 3}
    made = (await client.post("/v1/generations", json=asked)).json()
    assert made["pilot"] is None
    assert (await wait_for(client, made["id"], "succeeded"))["counts"]["succeeded"] == 3


@pytest.mark.parametrize("change", [{"pilot": 0}, {"pilot": 1}, {"pilot": 1001}, {"pilot": "4"}, {"pilot": 4.5}])
async def test_a_pilot_that_nobody_could_mean_is_refused(
    mill: Mill, client: httpx2.AsyncClient, change: dict[str, Any]
) -> None:
    answer = await client.post("/v1/generations", json={"recipe": recipe("x"), **change})
    assert assert_openai_error(answer, 400)["param"] == "pilot"


async def test_a_run_that_is_extended_has_no_pilot(mill: Mill, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/generations", json={"recipe": recipe("x"), "pilot": 4, "extend": True})
    assert assert_openai_error(answer, 400)["param"] == "pilot"


async def test_a_pilot_is_typed(mill: Mill, tmp_path: Path) -> None:
    mill.upstream.choose = None
    terminal = Terminal(mill, await mill.key(new_name("typed")), tmp_path)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(recipe(new_name("打"))), encoding="utf-8")
    told = await terminal.run("generate", file, "--pilot", 4)
    assert "pilot: 4 stories, 4 calls, 0 rejected (0%)" in told
    assert "the other 32: about" in told
    assert "storymill generations resume gen" in told, "without a terminal nobody is asked"
    file.write_text(json.dumps(recipe(new_name("定"))), encoding="utf-8")
    whole = await terminal.run("generate", file, "--pilot", 4, "--yes")
    assert "pilot: 4 stories" in whole
    assert "succeeded: 36 written, 0 failed" in whole
