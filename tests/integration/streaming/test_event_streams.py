"""The event stream and the HTTP side, from outside."""

from datetime import timedelta

import httpx2
import pytest

from shared.auth.principal import Principal
from shared.auth.tickets import issue_ticket, redeem_ticket
from shared.clock import utc_now
from shared.contracts.stream.fold import Fold
from shared.errors import AuthenticationError
from shared.stores.db.repositories.api_keys import revoke_api_key
from tests.integration.streaming.service import Service, read_events
from tests.support.stack import eventually


async def test_a_story_arrives_as_events_with_cursors_for_ids(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    fold = Fold(handle.stream_id)
    seen = []
    async with service.client() as client, client.stream("GET", f"/v1/streams/{handle.stream_id}") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        handle.write("once ")
        handle.write("upon a time")
        await service.worker.finish(handle)
        async for event_id, name, data in read_events(response):
            seen.append((event_id, name))
            fold.apply(data)
    assert fold.text == "once upon a time"
    assert seen[-1] == ("1-3", "end")
    assert not fold.needs_row


@pytest.mark.parametrize("how", ["header", "after", "starting_after"])
async def test_an_event_source_resumes_from_its_last_id(service: Service, how: str) -> None:
    handle = await service.worker.open_stream(service.account)
    for token in ("seen ", "unseen"):
        handle.write(token)
        await handle.flush()
    await service.worker.finish(handle)
    headers = {"last-event-id": "1-1"} if how == "header" else {}
    params = {} if how == "header" else {how: "1-1"}
    async with service.client() as client:
        answer = await client.get(f"/v1/streams/{handle.stream_id}", headers=headers, params=params)
    assert "unseen" in answer.text
    assert "event: end" in answer.text


async def test_a_cursor_at_the_end_of_a_finished_stream_is_answered_204(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    handle.write("over")
    end = await service.worker.finish(handle)
    async with service.client() as client:
        answer = await client.get(f"/v1/streams/{handle.stream_id}", headers={"last-event-id": str(end.cursor)})
    assert answer.status_code == 204


async def test_an_invalid_last_event_id_gets_one_snapshot(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    for token in "abc":
        handle.write(token)
        await handle.flush()
    await service.worker.finish(handle)
    async with service.client() as client:
        answer = await client.get(f"/v1/streams/{handle.stream_id}", headers={"last-event-id": "garbage"})
    assert answer.text.count("event: snapshot") == 1
    assert "event: delta" not in answer.text


async def test_unknown_and_foreign_streams_are_404_and_bad_keys_401(service: Service) -> None:
    theirs = await service.worker.add_stream(await service.add_account("two"))
    async with service.client() as client:
        answers = [await client.get(f"/v1/streams/{name}") for name in (theirs, "str_unknown")]
        for answer in answers:
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"
        for headers in ({"authorization": "Bearer sm_no"}, {"authorization": ""}):
            answer = await client.get(f"/v1/streams/{theirs}", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert (await client.get("/v1/nothing")).json()["error"]["code"] == "unknown_url"
        assert (await client.post(f"/v1/streams/{theirs}")).status_code == 405


async def test_a_ticket_in_the_url_opens_its_stream_until_a_minute_after_the_end(service: Service) -> None:
    handle, other = [await service.worker.open_stream(service.account) for _ in range(2)]
    principal = Principal(service.account.project_id, service.account.api_key_id, frozenset({"read"}))
    ticket = await issue_ticket(service.redis, principal)
    url = f"/v1/streams/{handle.stream_id}?ticket={ticket}"
    async with httpx2.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        async with client.stream("GET", url) as response:
            assert response.status_code == 200  # and the connection is lost
        handle.write("text")
        end = await service.worker.finish(handle)
        again = await client.get(url, headers={"last-event-id": "1-0"})
        assert "text" in again.text
        assert "event: end" in again.text
        assert (await client.get(url, headers={"last-event-id": str(end.cursor)})).status_code == 204
        assert (await client.get(f"/v1/streams/{other.stream_id}?ticket={ticket}")).status_code == 401
        long_ago = utc_now() - timedelta(seconds=61)
        await service.worker.set_row(handle.stream_id, finished_at=long_ago)
        assert (await client.get(url)).status_code == 401
        fresh = f"/v1/streams/{handle.stream_id}?ticket={await issue_ticket(service.redis, principal)}"
        assert (await client.get(fresh)).status_code == 200
        await service.worker.set_row(handle.stream_id, finished_at=utc_now())
        assert (await client.get(fresh)).status_code == 200
        async with service.streaming.database.transaction() as session:
            await revoke_api_key(session, service.account.api_key_id)
        assert (await client.get(fresh)).status_code == 401


async def test_a_ticket_that_opened_a_stream_opens_no_socket(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    await service.worker.finish(handle)
    principal = Principal(service.account.project_id, service.account.api_key_id, frozenset({"read"}))
    ticket = await issue_ticket(service.redis, principal)
    async with httpx2.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        assert (await client.get(f"/v1/streams/{handle.stream_id}?ticket={ticket}")).status_code == 200
    with pytest.raises(AuthenticationError):
        await redeem_ticket(service.redis, ticket)


async def test_a_client_that_leaves_is_forgotten_and_the_stream_goes_on(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    async with service.client() as client:
        async with client.stream("GET", f"/v1/streams/{handle.stream_id}") as response:
            await anext(response.aiter_lines())
            await eventually(lambda: len(service.streaming.clients) == 1)
        await eventually(lambda: len(service.streaming.clients) == 0)
        handle.write("still written")
        await service.worker.finish(handle)
        assert "still written" in (await client.get(f"/v1/streams/{handle.stream_id}")).text


async def test_health_and_metrics_answer_without_a_key(service: Service) -> None:
    async with httpx2.AsyncClient(base_url=service.base_url, trust_env=False) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert "storymill_stream_clients 0.0" in (await client.get("/metrics")).text
