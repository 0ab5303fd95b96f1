"""Sample events, sent by a gateway that may send to this machine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import Mill, assert_openai_error, open_mill
from tests.support.webhook_receiver import WebhookReceiver

FAILED = "fine_tuning.job.failed"


@pytest.fixture
async def gateway(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Mill]:
    """A gateway whose operator allows private targets."""
    async with open_mill(tmp_path, database_url=database_url, redis_url=redis_url, webhook_allow_private=True) as mill:
        yield mill


async def register(client: httpx2.AsyncClient, url: str) -> dict[str, str]:
    """Register an endpoint and return it."""
    answer = await client.post("/v1/webhook_endpoints", json={"name": "n", "url": url, "event_types": [FAILED]})
    made: dict[str, str] = answer.json()
    return made


@pytest.mark.parametrize(("status", "success"), [(418, False), (404, False), (302, False), (204, True)])
async def test_a_sample_is_signed_and_its_status_is_shown(gateway: Mill, status: int, success: bool) -> None:
    async with WebhookReceiver(statuses=[status]) as receiver, await gateway.client() as client:
        made = await register(client, receiver.url)
        answer = await client.post(f"/v1/webhook_endpoints/{made['id']}/test", json={"event_type": FAILED})
        assert answer.json() == {
            "object": "webhook_endpoint.test",
            "event_type": FAILED,
            "status_code": status,
            "success": success,
            "webhook_endpoint_id": made["id"],
        }
        assert receiver.received[0].unwrap(made["signing_secret"]).type == FAILED
        assert (await client.get(f"/v1/webhook_endpoints/{made['id']}/deliveries")).json()["data"] == []


async def test_a_sample_that_nobody_takes_is_said(gateway: Mill) -> None:
    async with await gateway.client() as client:
        made = await register(client, "http://127.0.0.1:9/")
        answer = await client.post(f"/v1/webhook_endpoints/{made['id']}/test", json={"event_type": FAILED})
        assert_openai_error(answer, 400, code="webhook_endpoint_unreachable")


async def test_a_sample_does_not_tell_a_closed_port_from_one_where_something_listens(gateway: Mill) -> None:
    async def say_nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        writer.close()

    server = await asyncio.start_server(say_nonsense, "127.0.0.1", 0)
    answers = []
    async with server, await gateway.client() as client:
        for port in (server.sockets[0].getsockname()[1], 9):
            made = await register(client, f"http://127.0.0.1:{port}/")
            answer = await client.post(f"/v1/webhook_endpoints/{made['id']}/test", json={"event_type": FAILED})
            answers.append((answer.status_code, answer.json()))
    assert answers[0] == answers[1]
