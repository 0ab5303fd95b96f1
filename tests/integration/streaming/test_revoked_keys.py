"""Sockets, event streams and tickets end with their key."""

import asyncio
import time

import httpx2
import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from shared.auth.principal import Principal
from shared.auth.tickets import issue_ticket
from shared.stores.db.repositories.api_keys import revoke_api_key
from tests.integration.streaming.service import Service, Watcher, read_events
from tests.integration.streaming.test_job_events import add, connect

SECONDS = 5.0


async def revoke(service: Service) -> float:
    """Revoke the account's key, and return when."""
    async with service.streaming.database.transaction() as session:
        assert await revoke_api_key(session, service.account.api_key_id)
    return time.monotonic()


async def test_a_socket_is_closed_with_4001_and_that_of_another_key_stays(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    other = await service.add_account("two")
    async with service.connect() as socket, service.connect(other) as theirs:
        watcher = await Watcher.greet(socket)
        await watcher.subscribe(handle.stream_id)
        revoked_at = await revoke(service)
        with pytest.raises(ConnectionClosed):
            await watcher.wait_for("never")
        assert time.monotonic() - revoked_at < SECONDS
        assert (socket.close_code, socket.close_reason) == (4001, "The API key was revoked.")
        await (await theirs.ping())


async def test_a_socket_on_a_jobs_events_is_closed_with_4001(service: Service) -> None:
    job = await add(service)
    async with connect(service, job.id) as socket:
        revoked_at = await revoke(service)
        await asyncio.wait_for(socket.wait_closed(), SECONDS)
        assert time.monotonic() - revoked_at < SECONDS
        assert socket.close_code == 4001


async def test_an_event_stream_says_why_it_ends(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    async with service.client() as client, client.stream("GET", f"/v1/streams/{handle.stream_id}") as response:
        revoked_at = await revoke(service)
        events = [event async for event in read_events(response)]
    assert time.monotonic() - revoked_at < SECONDS
    assert events[-1][2]["error"]["code"] == "invalid_api_key"


async def test_a_ticket_that_was_made_before_opens_nothing(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    account = service.account
    principal = Principal(account.project_id, account.api_key_id, frozenset({"read"}))
    tickets = [await issue_ticket(service.redis, principal) for _ in range(2)]
    await revoke(service)
    async with httpx2.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        answer = await client.get(f"/v1/streams/{handle.stream_id}", params={"ticket": tickets[0]})
    assert answer.status_code == 401
    assert "revoked" in answer.json()["error"]["message"]
    offered = [websockets.Subprotocol("storymill.v1"), websockets.Subprotocol(f"ticket.{tickets[1]}")]
    async with websockets.connect(service.socket_url, subprotocols=offered) as socket:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), SECONDS)
    assert socket.close_code == 4001
