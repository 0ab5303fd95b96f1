"""Comparisons: both models write, a judge or people vote, and a promotion may require the outcome."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from shared.stores.db.models import Attempt, LedgerEntry
from storymill.cli import app
from storymill.launcher.credentials import Credentials, write_credentials
from tests.support.gateway import assert_openai_error, new_name
from tests.support.interactive import eventually_async
from tests.support.tuned_models import Tenant
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script, prompt_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPTS = [f"唐,隐形,{number} ->" for number in range(6)]
GOOD, BAD = "一位英雄救了大家。", "……"


def script_for(tuned: str, better: str) -> Any:
    """A provider whose models write one text each, and a judge who knows a good text in either place."""

    def choose(call: Call) -> Script:
        asked = prompt_of(call.body)
        if "Answer with one word" in asked:
            return Script(text="A" if asked.index(better) < asked.index(GOOD if better == BAD else BAD) else "B")
        return Script(text=GOOD if call.body["model"] == tuned else BAD)

    return choose


async def order(tenant: Tenant, until: str, **body: Any) -> dict[str, Any]:
    """Order a comparison and wait for a status."""
    response = await tenant.client.post("/v1/model_comparisons", json={"against": MODEL, **body})
    assert response.status_code == 202, response.text
    found: dict[str, Any] = {}

    async def is_there() -> bool:
        found.update((await tenant.client.get(response.headers["location"])).json())
        return found["status"] in {until, "failed"}

    await eventually_async(is_there, what=f"the comparison to be {until}")
    assert found["status"] == until, found["error"]
    return found


async def test_a_judge_votes_in_both_orders_and_a_promotion_may_require_it(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:m"))
    tenant.mill.upstream.choose = script_for(model.name, better=GOOD)
    template = "请写一个故事:{{ prompt }}"
    won = await order(
        tenant,
        "succeeded",
        model=model.name,
        prompts=PROMPTS,
        long_prompt_template=template,
        judge={"model": MODEL},
        parameters={"max_tokens": 50},
    )
    result = won["result"]
    assert (result["wins"], result["losses"], result["ties"], result["win_rate"]) == (6, 0, 0, 1.0)
    assert 0.6 < result["interval"][0] < result["interval"][1] == 1.0
    assert result["swayed_by_order"] == 0.0
    long_prompts = {prompt_of(call.body) for call in tenant.mill.upstream.calls if call.body["model"] == MODEL}
    assert {f"请写一个故事:{prompt}" for prompt in PROMPTS} <= long_prompts
    promote = {"alias": "best", "model": model.name, "require": {"comparison": won["id"], "min_win_rate": 0.6}}
    assert (await tenant.client.post("/v1/model_aliases", json=promote)).status_code == 200
    strict = {**promote, "require": {"comparison": won["id"], "min_lower_bound": 0.9}}
    refused = await tenant.client.post("/v1/model_aliases", json=strict)
    assert_openai_error(refused, 400, code="requirement_not_met")
    wrong = {**promote, "model": MODEL}
    assert_openai_error(await tenant.client.post("/v1/model_aliases", json=wrong), 400, code="requirement_not_met")
    await assert_books_hold(tenant, won["id"], calls=6 * 2 + 6 * 2, cost_usd=result["cost_usd"])


async def assert_books_hold(tenant: Tenant, comparison_id: str, *, calls: int, cost_usd: float) -> None:
    """Every call is on the books, settled, and what it cost is what the comparison says."""
    async with tenant.mill.database.transaction() as session:
        rows = (await session.scalars(select(Attempt).where(Attempt.subject_id == comparison_id))).all()
        booked = await session.scalar(
            select(func.sum(LedgerEntry.cost_usd)).where(LedgerEntry.attempt_id.in_([row.id for row in rows]))
        )
    assert [row.outcome for row in rows] == ["succeeded"] * calls
    assert booked is not None
    assert Decimal(0) < booked == sum(row.spent_usd or Decimal(0) for row in rows)
    assert float(booked) == cost_usd


async def test_a_judge_who_always_says_the_first_decides_nothing(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:m"))
    tenant.mill.upstream.choose = lambda call: Script(text="A")
    tied = await order(tenant, "succeeded", model=model.name, prompts=PROMPTS, judge={"model": MODEL})
    assert (tied["result"]["ties"], tied["result"]["win_rate"]) == (6, 0.5)
    assert tied["result"]["swayed_by_order"] == 1.0


async def test_people_vote_without_knowing_which_is_which(tenant: Tenant) -> None:
    model = await tenant.tune(new_name("ft:m"))
    tenant.mill.upstream.choose = script_for(model.name, better=GOOD)
    waiting = await order(tenant, "voting", model=model.name, prompts=PROMPTS, judge="human")
    assert waiting["result"] is None
    path = f"/v1/model_comparisons/{waiting['id']}"
    pairs = (await tenant.client.get(f"{path}/pairs")).json()["data"]
    assert [set(pair) for pair in pairs] == [{"object", "position", "prompt", "a", "b", "is_voted"}] * 6
    assert {pair["a"] for pair in pairs} == {GOOD, BAD}, "each model is shown first somewhere"
    for pair in pairs:
        vote = {"position": pair["position"], "vote": "a" if pair["a"] == GOOD else "b"}
        answer = await tenant.client.post(f"{path}/votes", json=vote)
        assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["status"], done["result"]["wins"], done["result"]["win_rate"]) == ("succeeded", 6, 1.0)
    late = await tenant.client.post(f"{path}/votes", json={"position": 0, "vote": "tie"})
    assert_openai_error(late, 400, code="not_voting")
    assert (await tenant.client.get(f"{path}/pairs")).json()["data"][0]["outcome"] == "model"


async def test_a_person_votes_at_the_terminal(tenant: Tenant, tmp_path: Path) -> None:
    model = await tenant.tune(new_name("ft:m"))
    tenant.mill.upstream.choose = script_for(model.name, better=GOOD)
    key = tenant.client.headers["authorization"].removeprefix("Bearer ")
    base_url = f"{tenant.mill.base_url}/v1"
    write_credentials(tmp_path, Credentials(base_url=base_url, streaming_url="http://127.0.0.1:1", api_key=key))
    command = ["models", "compare", model.name, MODEL, "--state-dir", str(tmp_path), "--prompt", "p1", "--prompt", "p2"]
    done = await asyncio.to_thread(CliRunner().invoke, app, command, input="x\nt\nt\n")
    assert done.exit_code == 0, done.output
    printed = " ".join(done.output.split())
    assert GOOD in printed
    assert "0 won, 0 lost, 2 tied of 2 pairs: win rate 50%" in printed


async def test_bad_orders_are_refused(tenant: Tenant, other: Tenant) -> None:
    body = {"model": MODEL, "against": MODEL, "prompts": ["a"], "judge": "human"}
    post = tenant.client.post
    assert_openai_error(await post("/v1/model_comparisons", json={**body, "prompts": None}), 400)
    assert_openai_error(await post("/v1/model_comparisons", json={**body, "judge": "nobody"}), 400)
    assert_openai_error(await post("/v1/model_comparisons", json={**body, "against": "unheard-of"}), 404)
    bad = {**body, "long_prompt_template": "{{ nobody }}"}
    assert_openai_error(await post("/v1/model_comparisons", json=bad), 400, param="long_prompt_template")
    file_id = await other.upload(b'{"prompt": "a", "completion": "b"}\n')
    theirs = {"model": MODEL, "against": MODEL, "file": file_id, "judge": "human"}
    assert_openai_error(await post("/v1/model_comparisons", json=theirs), 404, param="file")


async def test_a_provider_that_cannot_score_is_said_to(tenant: Tenant) -> None:
    tenant.mill.upstream.choose = None
    rows = b'{"prompt": "a ->", "completion": " b."}\n'
    parent = await tenant.tune(new_name("ft:parent"), validation=rows)
    child = await tenant.tune(new_name("ft:child"), parent=parent, validation=rows)
    path = f"/v1/models/{child.name}/forgetting"
    assert (await tenant.client.post(path)).status_code == 202

    async def all_failed() -> bool:
        cells = [cell for row in (await tenant.client.get(path)).json()["rows"] for cell in row["cells"]]
        return [cell["status"] for cell in cells].count("failed") == 3

    await eventually_async(all_failed, what="the evaluations to fail")
    cell = (await tenant.client.get(path)).json()["rows"][1]["cells"][0]
    assert cell["error"]["code"] == "cannot_score"
