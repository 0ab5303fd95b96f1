"""What operators and tools read: probes, metrics, documentation, request ids, the command line for keys."""

import asyncio
import json
import os
import re
import subprocess
import sys

import httpx2
import pytest

from storymill.launcher.ports import find_free_port
from tests.support.gateway import Mill, assert_openai_error
from tests.support.interactive import eventually_async
from tests.support.stack import PROJECT_ROOT
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_probes_and_metrics_need_no_key(gateway: Mill, client: httpx2.AsyncClient) -> None:
    await client.get("/v1/models/nobody")
    async with httpx2.AsyncClient(base_url=gateway.base_url) as anyone:
        assert (await anyone.get("/livez")).json() == {"status": "ok"}
        assert (await anyone.get("/readyz")).json() == {"status": "ready", "problems": []}
        for path in ("/health", "/v1/health"):
            assert (await anyone.get(path)).json() == {"status": "ok"}
        metrics = (await anyone.get("/metrics")).text
    assert 'storymill_http_requests_total{method="GET",route="/v1/models/{model:path}",status="404"}' in metrics
    assert "nobody" not in metrics


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/conversations", "/v1/responses"),
        ("/v1/nothing", "/docs"),
        ("/chat/completions", "The base URL ends in /v1"),
    ],
)
async def test_what_no_route_serves_says_what_to_do(
    path: str, words: str, gateway: Mill, client: httpx2.AsyncClient
) -> None:
    error = assert_openai_error(await client.post(path, json={}), 404, code="unknown_url")
    assert words in error["message"]


async def test_every_answer_has_its_request_id_twice(gateway: Mill, client: httpx2.AsyncClient) -> None:
    for path in ("/v1/models", "/nothing", "/livez", "/v1/recipes?limit=0"):
        response = await client.get(path)
        assert re.fullmatch(r"req_[0-9a-f]{32}", response.headers["x-request-id"])
        assert response.headers["request-id"] == response.headers["x-request-id"]
    mine = await client.get("/livez", headers={"X-Request-Id": "mine-1"})
    assert mine.headers["x-request-id"] == "mine-1"
    odd = await client.get("/livez", headers={"X-Request-Id": "a b; c" * 40})
    assert odd.headers["x-request-id"].startswith("req_")


async def test_openapi_names_every_route_and_the_key(gateway: Mill, client: httpx2.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    paths = schema["paths"]
    for path, method in {
        "/v1/completions": "post",
        "/v1/chat/completions": "post",
        "/v1/engines/{engine}/completions": "post",
        "/v1/models": "get",
        "/v1/streams": "post",
        "/v1/streams/{stream_id}/cancel": "post",
        "/v1/tickets": "post",
        "/v1/recipes": "post",
        "/v1/generations": "post",
        "/v1/generations/estimate": "post",
        "/v1/generations/{generation_id}/events": "get",
        "/v1/generations/{generation_id}/export": "get",
        "/v1/batches": "post",
        "/v1/batches/{batch_id}/cancel": "post",
        "/v1/stories/{story_id}": "patch",
        "/v1/usage": "get",
        "/readyz": "get",
    }.items():
        assert method in paths[path], path
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            is_keyed = (path.startswith("/v1/") and path != "/v1/health") or "token" in path
            assert bool(operation.get("security")) == is_keyed, (method, path)
            assert "422" not in operation["responses"], (method, path)
            error = operation["responses"]["500"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/ErrorAnswer"}, (method, path)
    assert {"Batch", "Recipe", "Generation", "Story", "Stream"} <= set(schema["components"]["schemas"])
    answer = paths["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/ChatCompletion"}
    assert "text/event-stream" in answer
    assert schema["components"]["schemas"]["InnerError"]["required"] == ["message", "type", "param", "code"]


async def test_every_answer_says_what_it_holds(gateway: Mill, client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["tags"], operation["operationId"]
        for status, answer in operation["responses"].items():
            content = answer.get("content", {})
            assert bool(content) == (status != "204"), (operation["operationId"], status)
            assert all(told["schema"] for told in content.values()), (operation["operationId"], status)
    schemas = json.dumps(document["components"]["schemas"])
    assert all(
        schema in document["components"]["schemas"] for schema in re.findall(r"#/components/schemas/(\w+)", schemas)
    )
    told = {
        name
        for found in re.findall(r'"x-itemSchema": \{"anyOf": (\[.*?\])', json.dumps(document))
        for name in re.findall(r"schemas/(\w+)", found)
    }
    assert told == {
        "ChatChunk",
        "ErrorAnswer",
        "FineTuneEvent",
        "JobEvent",
        "ResponseEvent",
        "RunProgress",
        "TextChunk",
    }
    assert told <= set(document["components"]["schemas"])


async def test_the_documentation_page_loads_nothing_from_elsewhere(gateway: Mill, client: httpx2.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/"), source
        assert (await client.get(source)).status_code == 200


async def test_the_gateway_runs_as_a_process_and_stops_on_sigterm(gateway: Mill) -> None:
    port = find_free_port()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "services.gateway", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **settings_of(gateway)},
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as anyone:

            async def is_ready() -> bool:
                try:
                    return (await anyone.get("/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await eventually_async(is_ready, timeout_seconds=60, what="the process to be ready")
            assert_openai_error(await anyone.get("/v1/models"), 401)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) in {0, -15}
    finally:
        if process.returncode is None:
            process.kill()


async def test_keys_are_administered_by_command_line(gateway: Mill) -> None:
    made = json.loads(
        await run_keys(gateway, "create", "--project", "cli", "--name", "n", "--scopes", "read", "--json")
    )
    async with httpx2.AsyncClient(
        base_url=gateway.base_url, headers={"Authorization": f"Bearer {made['key']}"}
    ) as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert_openai_error(await client.post("/v1/streams", json={"model": MODEL, "prompt": "x"}), 403)
        listed = await run_keys(gateway, "list")
        assert made["id"] in listed
        assert made["key"] not in listed
        await run_keys(gateway, "check", "--key-stdin", stdin=made["key"])
        for name, scopes in (("other", ["read"]), ("n", ["read", "operate"])):
            wider = ("--name", name, "--scopes", "read,operate")
            await run_keys(gateway, "check", "--key-stdin", *wider, stdin=made["key"])
            assert await scopes_of(gateway, made["id"]) == scopes
        await run_keys(gateway, "revoke", made["id"])
        with pytest.raises(subprocess.CalledProcessError):
            await run_keys(gateway, "check", "--key-stdin", stdin=made["key"])

        async def is_refused() -> bool:
            return (await client.get("/v1/models")).status_code == 401

        await eventually_async(is_refused, timeout_seconds=6, what="the revoked key to be refused")


async def scopes_of(gateway: Mill, key_id: str) -> list[str]:
    """Return what a key may do."""
    listed = map(json.loads, (await run_keys(gateway, "list")).splitlines())
    return next(list(key["scopes"]) for key in listed if key["id"] == key_id)


async def run_keys(gateway: Mill, *arguments: str, stdin: str = "") -> str:
    """Run the command for keys; return what it prints."""
    result = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.gateway.api_keys", *arguments],
        env={**os.environ, **settings_of(gateway)},
        cwd=PROJECT_ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def settings_of(gateway: Mill) -> dict[str, str]:
    """The environment of a process on the same stores."""
    return {
        "STORYMILL_DATABASE_URL": gateway.database_url,
        "STORYMILL_REDIS_URL": gateway.redis_url,
        "STORYMILL_UPSTREAM_URL": gateway.upstream.url,
    }
