"""`POST /v1/providers/{name}/test`: what works at a provider, found with few calls on the caller's books."""

from typing import Any

import httpx2
import pytest

from shared.auth.principal import ALL_SCOPES, USUAL_SCOPES
from tests.support.gateway import Mill, assert_openai_error
from tests.support.upstream import MODEL, Call
from tests.support.upstream_script import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/providers/upstream/test"
TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


def works(answer: httpx2.Response) -> dict[str, Any]:
    return {found["name"]: found["works"] for found in answer.json()["results"]}


async def test_a_dry_run_says_what_it_may_cost_and_calls_nobody(mill: Mill, client: httpx2.AsyncClient) -> None:
    before = len(mill.upstream.calls)
    answer = (await client.post(PATH, json={"dry_run": True})).json()
    assert (answer["model"], answer["most_calls"], answer["results"]) == (MODEL, 8, None)
    assert "most_cost_usd" in answer
    assert len(mill.upstream.calls) == before
    assert_openai_error(await client.post(PATH, json={"model": "nobody's"}), 400, param="model")


async def test_what_works_is_told_thing_by_thing(mill: Mill, client: httpx2.AsyncClient) -> None:
    def choose(call: Call) -> Script | None:
        asks = Script(text="好", extra={"tool_calls": [TOOL_CALL]}, finish_reason="tool_calls")
        return asks if "tools" in call.body else None

    before, booked = len(mill.upstream.calls), (await mill.count_rows())["ledger_entry"]
    mill.upstream.choose, mill.upstream.trains = choose, False
    try:
        answer = await client.post(PATH)
    finally:
        mill.upstream.choose, mill.upstream.trains = None, True
    assert answer.status_code == 200, answer.text
    assert works(answer) == {
        "models": True,
        "files": False,
        "fine_tuning": False,
        "batch": False,
        "text": True,
        "usage": True,
        "streaming": True,
        "tools": True,
        "logprobs": False,
    }
    assert len(mill.upstream.calls) == before + 3
    assert (await mill.count_rows())["ledger_entry"] == booked + 3


@pytest.mark.parametrize("status", [429, 500])
async def test_a_provider_that_fails_is_asked_once_for_a_text(
    mill: Mill, client: httpx2.AsyncClient, status: int
) -> None:
    """With the four lists it is never more than eight calls, whatever comes."""
    before = len(mill.upstream.calls)
    mill.upstream.default = Script(status=status, error={"message": "not now", "code": None})
    try:
        found = works(await client.post(PATH))
    finally:
        mill.upstream.default = Script()
    assert (found["text"], found["tools"]) == (False, None)
    assert len(mill.upstream.calls) == before + 1


async def test_each_word_that_is_learnt_is_a_call_and_the_eighth_is_the_last(
    mill: Mill, client: httpx2.AsyncClient
) -> None:
    """The first text costs three refusals and one answer: with the four lists that is all."""
    said = {"stream_options": "stream_options", "max_tokens": "max_tokens", "stream": "stream"}

    def refuse(call: Call) -> Script | None:
        word = next((word for word in said if call.body.get(word)), None)
        error = {"message": f"Unsupported parameter: '{word}'", "param": word}
        return Script(status=400, error=error) if word else None

    before = len(mill.upstream.calls)
    mill.upstream.models.append("own-words")
    mill.upstream.choose = refuse
    try:
        found = works(await client.post(PATH, json={"model": "own-words"}))
    finally:
        mill.upstream.choose = None
        mill.upstream.models.remove("own-words")
    assert (found["text"], found["streaming"], found["tools"], found["logprobs"]) == (True, False, None, None)
    assert len(mill.upstream.calls) == before + 4


async def test_the_providers_words_on_its_lists_are_told_to_who_operates_the_mill(mill: Mill) -> None:
    for scopes, words in ((USUAL_SCOPES, "not_found (404)"), (ALL_SCOPES, "the provider answered 404")):
        async with await mill.client(scopes=scopes) as asking:
            results = (await asking.post(PATH)).json()["results"]
        [note] = [one["note"] for one in results if one["name"] == "files"]
        assert note.startswith(words)


async def test_where_no_text_comes_no_more_are_asked_for(mill: Mill, client: httpx2.AsyncClient) -> None:
    refusal = {"message": "temperature is not taken", "code": "x", "type": "invalid_request_error"}
    mill.upstream.default = Script(status=400, error=refusal)
    before = len(mill.upstream.calls)
    try:
        answer = await client.post(PATH, json={"model": MODEL})
    finally:
        mill.upstream.default = Script()
    assert len(mill.upstream.calls) == before + 1
    found = works(answer)
    assert (found["text"], found["tools"], found["logprobs"]) == (False, None, None)
    [told] = [one["note"] for one in answer.json()["results"] if one["name"] == "text"]
    assert "temperature is not taken" in told
