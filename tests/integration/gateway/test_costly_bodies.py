"""One client's costly body: refused before it is parsed, with the bound and its setting, while others are served."""

import asyncio
import time
from typing import Any

import httpx2
import orjson
import pytest

from tests.support.gateway import Mill, assert_openai_error, new_name
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD_ROW = b'{"prompt":"a ->","completion":" b"}\n'
LONGEST_BLOCK_SECONDS = 0.5
"""Of the loop's own processor time between two of its turns. The body of 7.8 MB took 16 s, the templates 2 s."""


def join(item: bytes, count: int) -> bytes:
    """Return a JSON list of equal items."""
    return b"[" + b",".join([item] * count) + b"]"


COSTLY: dict[str, tuple[str, bytes, int, str]] = {
    "empty lists": ("/v1/chat/completions", join(b"[]", 2_600_000), 413, "STORYMILL_MAX_JSON_NODES"),
    "as many as may be": ("/v1/chat/completions", join(b"[]", 19_000), 400, "messages.0"),
    "keys": (
        "/v1/chat/completions",
        b"{" + b",".join(b'"k%d":1' % number for number in range(600_000)) + b"}",
        413,
        "STORYMILL_MAX_JSON_",
    ),
    "messages of one letter": (
        "/v1/chat/completions",
        join(b'{"role":"user","content":"x"}', 240_000),
        413,
        "STORYMILL_MAX_JSON_",
    ),
    "token ids": ("/v1/completions", join(b"1", 3_900_000), 413, "STORYMILL_MAX_JSON_VALUES"),
}


async def measure_longest_block(done: asyncio.Event) -> float:
    """Return the most that the loop, which the gateway shares with us, computed in one go."""
    longest, before = 0.0, time.thread_time()
    while not done.is_set():
        await asyncio.sleep(0.01)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest


async def post_watched(client: httpx2.AsyncClient, path: str, content: bytes) -> tuple[httpx2.Response, float]:
    """Return the answer, and the loop's longest standstill meanwhile."""
    done = asyncio.Event()
    watching = asyncio.create_task(measure_longest_block(done))
    try:
        answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    finally:
        done.set()
    return answer, await watching


@pytest.mark.parametrize("name", COSTLY)
async def test_a_costly_body_holds_nobody_up(client: httpx2.AsyncClient, gateway: Mill, name: str) -> None:
    path, items, status, word = COSTLY[name]
    field = b"prompt" if path == "/v1/completions" else b"messages"
    answer, block = await post_watched(client, path, b'{"model":"m","' + field + b'":' + items + b"}")
    assert word in assert_openai_error(answer, status)["message"]
    assert block < LONGEST_BLOCK_SECONDS


ROWS: dict[str, tuple[bytes, str, int]] = {
    "a row that is too long": (b'{"prompt":"' + b"a tale " * 8_000_000 + b'"}', "STORYMILL_MAX_ROW_BYTES", 400),
    "a row of empty lists": (b'{"prompt":"a","x":' + join(b"[]", 2_600_000) + b"}", "STORYMILL_MAX_JSON_NODES", 200),
}


@pytest.mark.parametrize("name", ROWS)
async def test_a_costly_row_of_a_file_holds_nobody_up(client: httpx2.AsyncClient, gateway: Mill, name: str) -> None:
    row, setting, status = ROWS[name]
    uploaded = await client.post(
        "/v1/files", files={"file": ("a.jsonl", row + b"\n" + GOOD_ROW)}, data={"purpose": "fine-tune"}
    )
    file_id = uploaded.json()["id"]
    body = {"model": MODEL, "against": MODEL, "file": file_id, "judge": "human"}
    answer, block = await post_watched(client, "/v1/model_comparisons", orjson.dumps(body))
    assert setting in assert_openai_error(answer, 400, param="file")["message"]
    assert block < LONGEST_BLOCK_SECONDS
    estimate = orjson.dumps({"model": MODEL, "training_file": file_id})
    answer, block = await post_watched(client, "/v1/fine_tuning/estimate", estimate)
    assert answer.status_code == status, answer.text  # the first is a sample that holds no row
    assert block < LONGEST_BLOCK_SECONDS


def recipe(**changes: Any) -> dict[str, Any]:
    """Return a recipe's content."""
    return {"name": new_name("r"), "template": "{{ a0 }}", "attributes": {"a0": ["x"]}, "model": MODEL, **changes}


@pytest.mark.parametrize("name", ["wide", "template"])
async def test_a_recipe_is_worked_out_beside_the_loop(client: httpx2.AsyncClient, gateway: Mill, name: str) -> None:
    wide = {f"a{number}": {"weighted": {f"v{value}": 3 for value in range(10_000)}} for number in range(3)}
    wide |= {f"b{number}": [f"{value} {'x' * 20}" for value in range(10_000)] for number in range(20)}
    content = recipe(attributes=wide) if name == "wide" else recipe(template="{{ " + "a0<" * 450 + "a0 }}")
    body = orjson.dumps({"recipe": content, "limit": 1})
    answer, block = await post_watched(client, "/v1/generations/estimate", body)
    assert answer.status_code == 200
    assert block < LONGEST_BLOCK_SECONDS


async def test_more_cells_than_a_whole_number_can_say_are_told_about(gateway: Mill, client: httpx2.AsyncClient) -> None:
    attributes = {f"a{number}": {"range": [1, 10_000]} for number in range(5)}
    answer = await client.post("/v1/recipes", json=recipe(attributes=attributes))
    assert (answer.status_code, answer.json()["cells"]) == (201, 1e20)
    assert (await client.get("/v1/recipes")).json()["data"][0]["stories"] == 1e20


async def test_a_body_announced_too_large_is_refused_before_it_comes(gateway: Mill) -> None:
    host, port = gateway.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 413 " in head
        assert b"STORYMILL_MAX_BODY_BYTES" in await reader.readuntil(b"}}")
    writer.close()


async def test_the_limits_of_the_server_are_told_by_name(client: httpx2.AsyncClient) -> None:
    limits = {limit["name"]: limit for limit in (await client.get("/v1/limits")).json()["data"]}
    assert limits["max_body_bytes"]["value"] == 8 * 1024 * 1024
    assert limits["max_body_bytes"]["setting"] == "STORYMILL_MAX_BODY_BYTES"
