"""Whatever comes in wrong: the right status, OpenAI's error body, and nothing written."""

from typing import Any

import httpx2
import pytest

from shared.auth.principal import READ
from tests.support.gateway import Mill, assert_openai_error
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECIPE: dict[str, Any] = {
    "name": "r",
    "template": "写一个{{ dynasty }}朝的故事。",
    "attributes": {"dynasty": ["唐", "宋"]},
    "model": MODEL,
}
COMPLETION: dict[str, Any] = {"model": MODEL, "prompt": "x"}
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}

Case = tuple[str, str, Any, int, str | None]


def inline(**changes: Any) -> dict[str, Any]:
    """A generation of an inline recipe with something changed."""
    return {"recipe": {**RECIPE, **changes}}


BAD_REQUESTS: dict[str, Case] = {
    "unknown route": ("GET", "/v1/nothing", None, 404, "unknown_url"),
    "unknown route outside /v1": ("GET", "/nothing", None, 404, "unknown_url"),
    "wrong method": ("DELETE", "/v1/recipes", None, 405, "method_not_allowed"),
    "unknown model": ("POST", "/v1/completions", {**COMPLETION, "model": "nobody"}, 404, "model_not_found"),
    "unknown chat model": ("POST", "/v1/chat/completions", {**CHAT, "model": "nobody"}, 404, "model_not_found"),
    "unknown engine": ("POST", "/v1/engines/nobody/completions", {"prompt": "x"}, 404, "model_not_found"),
    "unknown stream model": ("POST", "/v1/streams", {**COMPLETION, "model": "nobody"}, 404, "model_not_found"),
    "unknown model id": ("GET", "/v1/models/nobody", None, 404, "model_not_found"),
    "unknown recipe": ("GET", "/v1/recipes/nobody", None, 404, "not_found"),
    "run of an unknown recipe": ("POST", "/v1/generations", {"recipe": "nobody"}, 404, "not_found"),
    "run with an unknown model": ("POST", "/v1/generations", inline(model="nobody"), 404, "model_not_found"),
    "unknown generation": ("GET", "/v1/generations/gen_1", None, 404, "not_found"),
    "events of an unknown generation": ("GET", "/v1/generations/gen_1/events", None, 404, "not_found"),
    "export of an unknown generation": ("GET", "/v1/generations/gen_1/export", None, 404, "not_found"),
    "cancel of an unknown generation": ("POST", "/v1/generations/gen_1/cancel", None, 404, "not_found"),
    "unknown batch": ("GET", "/v1/batches/batch_1", None, 404, "not_found"),
    "cancel of an unknown batch": ("POST", "/v1/batches/batch_1/cancel", None, 404, "not_found"),
    "batches after an unknown one": ("GET", "/v1/batches?after=batch_1", None, 404, "not_found"),
    "batch of nothing": ("POST", "/v1/batches", {}, 400, None),
    "unknown story": ("GET", "/v1/stories/story_1", None, 404, "not_found"),
    "review of an unknown story": ("PATCH", "/v1/stories/story_1", {"review": "accepted"}, 404, "not_found"),
    "stories of an unknown generation": ("GET", "/v1/stories?generation_id=gen_1", None, 404, "not_found"),
    "stories after an unknown one": ("GET", "/v1/stories?after=story_1", None, 404, "not_found"),
    "unknown stream": ("GET", "/v1/streams/str_1", None, 404, "not_found"),
    "cancel of an unknown stream": ("POST", "/v1/streams/str_1/cancel", None, 404, "not_found"),
    "no model": ("POST", "/v1/completions", {"prompt": "x"}, 400, None),
    "no messages": ("POST", "/v1/chat/completions", {"model": MODEL}, 400, None),
    "empty messages": ("POST", "/v1/chat/completions", {**CHAT, "messages": []}, 400, None),
    "message without role": ("POST", "/v1/chat/completions", {**CHAT, "messages": [{"content": "x"}]}, 400, None),
    "no prompts": ("POST", "/v1/completions", {**COMPLETION, "prompt": []}, 400, None),
    "prompt of mixed types": ("POST", "/v1/completions", {**COMPLETION, "prompt": ["x", 1]}, 400, None),
    "prompt of a wrong type": ("POST", "/v1/completions", {**COMPLETION, "prompt": {"a": 1}}, 400, None),
    "tokens in words": ("POST", "/v1/completions", {**COMPLETION, "max_tokens": "many"}, 400, None),
    "temperature in words": ("POST", "/v1/completions", {**COMPLETION, "temperature": "hot"}, 400, None),
    "temperature of a sun": ("POST", "/v1/completions", {**COMPLETION, "temperature": 5778}, 400, None),
    "stream in words": ("POST", "/v1/completions", {**COMPLETION, "stream": "yes"}, 400, None),
    "no choices": ("POST", "/v1/completions", {**COMPLETION, "n": 0}, 400, None),
    "too many choices": ("POST", "/v1/completions", {**COMPLETION, "prompt": ["x"] * 64, "n": 3}, 400, None),
    "best of more than n": ("POST", "/v1/completions", {**COMPLETION, "n": 1, "best_of": 3}, 400, None),
    "five stop strings": ("POST", "/v1/completions", {**COMPLETION, "stop": ["a"] * 5}, 400, None),
    "stream of two texts": ("POST", "/v1/streams", {**COMPLETION, "n": 2}, 400, None),
    "body of a wrong type": ("POST", "/v1/completions", [1], 400, None),
    "NUL in a prompt": ("POST", "/v1/completions", {**COMPLETION, "prompt": "a\0b"}, 400, None),
    "NUL in a key": ("POST", "/v1/completions", {**COMPLETION, "logit_bias": {"a\0": 1}}, 400, None),
    "NUL in the path": ("GET", "/v1/recipes/a%00b", None, 400, None),
    "NUL in the query": ("GET", "/v1/stories?after=a%00b", None, 400, None),
    "page of nothing": ("GET", "/v1/recipes?limit=0", None, 400, None),
    "page of everything": ("GET", "/v1/recipes?limit=100000", None, 400, None),
    "page in no order": ("GET", "/v1/recipes?order=random", None, 400, None),
    "stories of no state": ("GET", "/v1/stories?status=lost", None, 400, None),
    "attributes that are not JSON": ("GET", "/v1/stories?attributes=x", None, 400, None),
    "attributes that are a list": ("GET", "/v1/stories?attributes=[]", None, 400, None),
    "usage by the weather": ("GET", "/v1/usage?group_by=weather", None, 400, None),
    "usage of no time": ("GET", "/v1/usage?start_time=x", None, 400, None),
    "export as a painting": ("GET", "/v1/generations/gen_1/export?format=oil", None, 400, None),
    "recipe without a name": ("POST", "/v1/recipes", {**RECIPE, "name": None}, 400, None),
    "recipe with a bad name": ("POST", "/v1/recipes", {**RECIPE, "name": "a/b"}, 400, None),
    "recipe with an unknown field": ("POST", "/v1/recipes", {**RECIPE, "modle": "x"}, 400, None),
    "template that loops": (
        "POST",
        "/v1/recipes",
        {**RECIPE, "template": "{% for i in range(10**9) %}x{% endfor %}"},
        400,
        "invalid_template",
    ),
    "template that reads what it should not": (
        "POST",
        "/v1/recipes",
        {**RECIPE, "template": "{{ dynasty.__class__.__mro__ }}"},
        400,
        "invalid_template",
    ),
    "template of a missing attribute": (
        "POST",
        "/v1/recipes",
        {**RECIPE, "template": "{{ power }}"},
        400,
        "invalid_template",
    ),
    "template that renders a megabyte": (
        "POST",
        "/v1/recipes",
        {**RECIPE, "template": "{{ dynasty }}" * 300, "attributes": {"dynasty": ["字" * 4000]}},
        400,
        "invalid_template",
    ),
    "run that renders a megabyte": (
        "POST",
        "/v1/generations",
        inline(template="{{ dynasty }}" * 300, attributes={"dynasty": ["字" * 4000]}),
        400,
        "invalid_template",
    ),
    "template that is empty": ("POST", "/v1/recipes", {**RECIPE, "template": " "}, 400, "invalid_template"),
    "attribute without values": ("POST", "/v1/recipes", {**RECIPE, "attributes": {"dynasty": []}}, 400, None),
    "parameter that is ours": ("POST", "/v1/recipes", {**RECIPE, "parameters": {"n": 3}}, 400, None),
    "format of no kind": ("POST", "/v1/recipes", {**RECIPE, "format": "poem"}, 400, None),
    "grid of a billion cells": (
        "POST",
        "/v1/generations",
        inline(attributes={name: {"range": [1, 1000]} for name in ("dynasty", "b", "c")}),
        400,
        "grid_too_large",
    ),
    "repeats without end": ("POST", "/v1/generations", {**inline(), "repeats": 10**9}, 400, None),
    "budget below nothing": ("POST", "/v1/generations", {**inline(), "budget_usd": -1}, 400, None),
    "budget without a price": ("POST", "/v1/generations", {**inline(), "budget_usd": 1}, 400, "unknown_price"),
    "limit of a wrong type": ("POST", "/v1/generations", {**inline(), "limit": "few"}, 400, None),
    "run with an unknown field": ("POST", "/v1/generations", {**inline(), "budget": 1}, 400, None),
    "run of a list": ("POST", "/v1/generations", {"recipe": [1]}, 400, None),
    "review of no kind": ("PATCH", "/v1/stories/story_1", {"review": "great"}, 400, None),
    "review of nothing": ("PATCH", "/v1/stories/story_1", {}, 400, None),
    **{
        f"query parameter that {path} does not know": (
            "GET",
            f"{path}?generations=gen_1",
            None,
            400,
            "unknown_parameter",
        )
        for path in ("/v1/stories", "/v1/generations", "/v1/recipes", "/v1/datasets", "/v1/usage", "/v1/limits")
    },
    "cursor that the jobs do not have": ("GET", "/v1/fine_tuning/jobs?after=gone_1", None, 404, "fine_tune_not_found"),
    **{
        f"cursor that {path} does not have": ("GET", f"{path}?after=gone_1", None, 404, "not_found")
        for path in (
            "/v1/stories",
            "/v1/generations",
            "/v1/recipes",
            "/v1/datasets",
            "/v1/files",
            "/v1/model_comparisons",
            "/v1/webhook_endpoints",
        )
    },
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_a_bad_request_gets_an_openai_error_and_writes_nothing(
    name: str, gateway: Mill, client: httpx2.AsyncClient
) -> None:
    method, path, body, status, code = BAD_REQUESTS[name]
    before = await gateway.count_rows()
    response = await client.request(method, path, json=body)
    error = assert_openai_error(response, status, code=code) if code else assert_openai_error(response, status)
    assert error["type"] == "invalid_request_error"
    assert await gateway.count_rows() == before


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/fine_tuning/jobs", "/v1/webhook_endpoints"])
async def test_routes_of_openai_take_query_parameters_that_they_do_not_know(
    path: str, gateway: Mill, client: httpx2.AsyncClient
) -> None:
    del gateway
    assert (await client.get(path, params={"beta": "true"})).status_code == 200


RAW_BODIES: dict[str, tuple[bytes, str]] = {
    "broken JSON": (b'{"model": ', "application/json"),
    "broken UTF-8": (b'{"model": "m", "prompt": "\xff\xfe"}', "application/json"),
    "half of a surrogate pair": (b'{"model": "m", "prompt": "\\ud800"}', "application/json"),
    "not a number": (b'{"model": "m", "prompt": "x", "temperature": NaN}', "application/json"),
    "a number beyond all numbers": (b'{"model": "m", "prompt": "x", "temperature": 1e999}', "application/json"),
    "brackets without end": (b"[" * 15_000, "application/json"),
    "brackets beyond all need": (
        b'{"model": "m", "prompt": "x", "a": ' + b"[" * 300 + b"]" * 300 + b"}",
        "application/json",
    ),
    "objects beyond all need": (
        b'{"model": "m", "prompt": "x", "a": ' + b'{"a": ' * 300 + b"1" + b"}" * 301,
        "application/json",
    ),
    "another type": (b"model=m&prompt=x", "application/x-www-form-urlencoded"),
    "no body": (b"", "application/json"),
}


@pytest.mark.parametrize("name", RAW_BODIES)
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/recipes", "/v1/streams"])
async def test_a_body_that_cannot_be_read_gets_an_openai_error(
    name: str, path: str, gateway: Mill, client: httpx2.AsyncClient
) -> None:
    body, content_type = RAW_BODIES[name]
    before = await gateway.count_rows()
    response = await client.post(path, content=body, headers={"content-type": content_type})
    assert_openai_error(response, 400, type="invalid_request_error")
    assert await gateway.count_rows() == before


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/recipes", "/v1/streams"])
async def test_brackets_beyond_the_bound_are_refused_before_they_are_read(
    path: str, gateway: Mill, client: httpx2.AsyncClient
) -> None:
    before = await gateway.count_rows()
    response = await client.post(path, content=b"[" * 400_000, headers={"content-type": "application/json"})
    assert_openai_error(response, 413, code="request_too_large")
    assert await gateway.count_rows() == before


async def test_a_body_over_the_limit_is_refused_with_413(gateway: Mill, client: httpx2.AsyncClient) -> None:
    before = await gateway.count_rows()
    response = await client.post("/v1/completions", json={**COMPLETION, "prompt": "x" * 9_000_000})
    assert_openai_error(response, 413, code="request_too_large")
    assert await gateway.count_rows() == before


async def test_a_body_over_the_limit_that_hides_its_length_is_refused_with_413(
    gateway: Mill, client: httpx2.AsyncClient
) -> None:
    async def pieces() -> Any:
        for _ in range(200):
            yield b"x" * 100_000

    response = await client.post("/v1/completions", content=pieces(), headers={"content-type": "application/json"})
    assert_openai_error(response, 413, code="request_too_large")
    assert (await client.get("/v1/models")).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic abc", "Bearer sm_wrong", "Bearer sk-wrong", "Bearer sm_" + "x" * 5000, "sm_wrong"],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/completions", COMPLETION),
        ("GET", "/v1/models", None),
        ("POST", "/v1/generations", {"recipe": "x"}),
        ("POST", "/v1/recipes", {"wrong": 1}),
    ],
)
async def test_without_a_good_key_the_answer_is_401(
    authorization: str | None, method: str, path: str, body: Any, gateway: Mill
) -> None:
    before = await gateway.count_rows()
    headers = {} if authorization is None else {"Authorization": authorization}
    async with httpx2.AsyncClient(base_url=gateway.base_url) as anyone:
        response = await anyone.request(method, path, json=body, headers=headers)
    assert_openai_error(response, 401, type="invalid_request_error", code="invalid_api_key")
    assert await gateway.count_rows() == before


async def test_a_key_that_may_only_read_cannot_write(gateway: Mill) -> None:
    before = await gateway.count_rows()
    async with await gateway.client("readers", (READ,)) as reader:
        for path, body in (("/v1/completions", COMPLETION), ("/v1/recipes", RECIPE), ("/v1/streams", COMPLETION)):
            assert_openai_error(await reader.post(path, json=body), 403, code="insufficient_permissions")
        assert (await reader.get("/v1/recipes")).status_code == 200
        assert (await reader.post("/v1/generations/estimate", json=inline())).status_code == 200
    assert await gateway.count_rows() == before
