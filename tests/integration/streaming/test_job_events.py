"""A fine-tuning job's events over the WebSocket: a real server, real rows, the `websockets` client."""

import asyncio
import json
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.files import add_file
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job, ask_for
from tests.integration.streaming.service import Service
from tests.support.socket_truth import TruthfulJobSocket


async def add(service: Service) -> FineTuningJob:
    async with service.streaming.database.transaction() as session:
        file = await add_file(
            session,
            project_id=service.account.project_id,
            filename="a.jsonl",
            purpose="fine-tune",
            sha256="0" * 64,
            size=1,
        )
        return await add_job(
            session,
            NewJob(service.account.project_id, service.account.api_key_id, "curie", "curie", "engine", file.id),
        )


async def append(service: Service, job_id: str, *messages: str) -> None:
    async with service.streaming.database.transaction() as session:
        await append_events(session, job_id, [NewEvent(message) for message in messages])


async def cancel(service: Service, job_id: str) -> None:
    async with service.streaming.database.transaction() as session:
        await ask_for(session, service.account.project_id, job_id, "cancel", service.account.api_key_id)


def connect(service: Service, job_id: str, query: str = "", headers: dict[str, str] | None = None) -> Any:
    url = service.base_url.replace("http", "ws", 1) + f"/v1/fine_tuning/jobs/{job_id}/events{query}"
    known = headers or service.account.headers
    return websockets.connect(url, additional_headers=known, create_connection=TruthfulJobSocket)


async def read_to_end(socket: Any) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in socket]


async def test_a_socket_tells_the_events_that_are_there_then_those_that_come_then_the_end(service: Service) -> None:
    job = await add(service)
    await append(service, job.id, "first")
    async with connect(service, job.id) as socket:
        early = [json.loads(await asyncio.wait_for(socket.recv(), 10)) for _ in range(2)]
        await append(service, job.id, "second", "third")
        await cancel(service, job.id)
        late = await asyncio.wait_for(read_to_end(socket), 10)
    messages = [event["message"] for event in [*early, *late[:-1]]]
    assert messages[1:4] == ["first", "second", "third"]
    assert late[-1] == {"object": "fine_tuning.job.end", "id": job.id, "status": "cancelled"}
    assert socket.close_code == 1000


async def test_a_client_that_comes_back_with_its_last_event_misses_none_and_sees_none_twice(service: Service) -> None:
    job = await add(service)
    async with connect(service, job.id) as socket:
        seen = json.loads(await asyncio.wait_for(socket.recv(), 10))
    await append(service, job.id, "while away")
    await cancel(service, job.id)
    async with connect(service, job.id, f"?after={seen['id']}") as socket:
        rest = await asyncio.wait_for(read_to_end(socket), 10)
    assert rest[0]["message"] == "while away"
    assert seen["id"] not in [event["id"] for event in rest]


@pytest.mark.parametrize("query", ["", "?after=ftevent-none"])
async def test_an_unknown_job_or_event_closes_the_socket_with_4004(service: Service, query: str) -> None:
    job_id = (await add(service)).id if query else "ftjob-unknown"
    async with connect(service, job_id, query) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
    assert socket.close_code == 4004


async def test_a_socket_without_a_good_key_learns_nothing(service: Service) -> None:
    job = await add(service)
    async with connect(service, job.id, headers={"authorization": "Bearer sm_wrong"}) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
    assert socket.close_code == 4001
