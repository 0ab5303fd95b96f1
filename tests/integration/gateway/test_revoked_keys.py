"""Answers that are under way end with their key: those that come piece by piece, and those that are waited for."""

import asyncio
import time

import httpx2
import pytest
from sqlalchemy import select, text

from shared.auth.key_watch import LOOK_SECONDS
from shared.stores.db.models import Completion
from shared.stores.db.repositories.api_keys import revoke_api_key
from tests.support.gateway import Mill
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 5.0
LARGE_BYTES = 48 * 1024 * 1024
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
RECIPE = {"template": "Write of {{ hero }}.", "attributes": {"hero": ["a cat", "a dog"]}, "model": MODEL}


async def revoke(gateway: Mill, project: str) -> float:
    """Revoke the project's key, and return when."""
    key_id = next(key_id for name, key_id in gateway.key_ids.items() if name.startswith(f"{project} "))
    async with gateway.database.transaction() as session:
        assert await revoke_api_key(session, key_id)
    return time.monotonic()


async def find_texts(gateway: Mill, project: str) -> list[Completion]:
    """Return the texts that were asked for with the project's key."""
    key_id = next(key_id for name, key_id in gateway.key_ids.items() if name.startswith(f"{project} "))
    async with gateway.database.transaction() as session:
        return list(await session.scalars(select(Completion).where(Completion.api_key_id == key_id)))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_text_that_is_waited_for_is_refused_and_cancelled(gateway: Mill, stream: bool) -> None:
    project = f"waits-{stream}"

    async def is_asked_for() -> bool:
        return bool(await find_texts(gateway, project))

    async with await gateway.client(project) as client:
        asked = asyncio.create_task(client.post("/v1/chat/completions", json={**CHAT, "stream": stream}))
        await eventually_async(is_asked_for, what="the text to be queued")
        revoked_at = await revoke(gateway, project)
        answer = await asked
    assert time.monotonic() - revoked_at < SECONDS
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert all(row.cancel_requested_at for row in await find_texts(gateway, project))


async def test_the_events_of_a_run_end_and_say_why(gateway: Mill) -> None:
    async with await gateway.client("watches") as client:
        run = (await client.post("/v1/generations", json={"recipe": RECIPE})).json()
        async with client.stream("GET", f"/v1/generations/{run['id']}/events") as response:
            pieces = response.aiter_text()
            said = await anext(pieces)
            revoked_at = await revoke(gateway, "watches")
            said += "".join([piece async for piece in pieces])
    assert time.monotonic() - revoked_at < SECONDS
    assert '"code":"invalid_api_key"' in said.strip().rsplit("\n\n", 1)[-1]


async def test_downloads_and_exports_break_off(gateway: Mill) -> None:
    async with await gateway.client("downloads") as client:
        form = {"file": ("rows.jsonl", b"x" * LARGE_BYTES)}
        file_id = (await client.post("/v1/files", files=form, data={"purpose": "fine-tune"})).json()["id"]
        run = (await client.post("/v1/generations", json={"recipe": RECIPE})).json()
        await fill(gateway, run["id"])
        revoked = asyncio.Event()
        paths = (f"/v1/files/{file_id}/content", f"/v1/generations/{run['id']}/export?format=jsonl")
        reading = [asyncio.create_task(read_late(client, path, revoked)) for path in paths]
        await revoke(gateway, "downloads")
        await asyncio.sleep(LOOK_SECONDS + 1)
        revoked.set()
        got = await asyncio.gather(*reading)
    assert all(0 < size < LARGE_BYTES for size in got), got


async def read_late(client: httpx2.AsyncClient, path: str, go_on: asyncio.Event) -> int:
    """Read one piece, and the rest when told to: until then the sockets are full. Return how much came before it broke
    off."""
    got = 0
    try:
        async with client.stream("GET", path) as response:
            async for piece in response.aiter_bytes():
                got += len(piece)
                await go_on.wait()
    except httpx2.RemoteProtocolError:
        return got
    raise AssertionError(f"{path} was sent to its end: {got} bytes")


async def fill(gateway: Mill, run_id: str) -> None:
    """Give a run more than LARGE_BYTES of stories."""
    statement = """
        insert into story (id, generation_id, project_id, position, repeat, row_key, attributes, status, text)
        select 'sty_long' || i, story.generation_id, story.project_id, i, i, 'key', story.attributes, 'succeeded',
               repeat('x', 100000)
        from story cross join generate_series(10, 550) as i where story.generation_id = :id and story.position = 0
    """
    async with gateway.database.transaction() as session:
        await session.execute(text(statement), {"id": run_id})
