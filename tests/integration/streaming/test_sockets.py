"""The WebSocket, from outside: a real server, real rows, the `websockets` client."""

import asyncio
import json
from contextlib import suppress

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.auth.principal import Principal
from shared.auth.tickets import issue_ticket
from shared.streams.control import CancelListener, is_cancel_requested
from tests.integration.streaming.service import Service, Watcher, serve
from tests.support.stack import eventually


async def test_a_story_arrives_token_by_token_and_ends_with_its_hash(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        assert (await watcher.subscribe(handle.stream_id))["mode"] == "delta"
        for token in ("从前", "有座山", "，山里有座庙。"):
            handle.write(token)
            await handle.flush()
        end = await service.worker.finish(handle)
        fold = await watcher.watch_to_end(handle.stream_id)
    assert fold.text == "从前有座山，山里有座庙。"
    assert fold.end is not None
    assert fold.end["sha256"] == end.sha256
    assert not fold.needs_row


async def test_one_socket_watches_many_streams(service: Service) -> None:
    handles = [await service.worker.open_stream(service.account) for _ in range(20)]
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        for handle in handles:
            await watcher.subscribe(handle.stream_id)
        for number, handle in enumerate(handles):
            handle.write(f"story {number}")
        await asyncio.gather(*(service.worker.finish(handle) for handle in handles))
        for number, handle in enumerate(handles):
            assert (await watcher.watch_to_end(handle.stream_id)).text == f"story {number}"


async def test_a_client_that_comes_back_resumes_from_its_cursor(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    async with service.connect() as socket:
        first = await Watcher.greet(socket)
        await first.subscribe(handle.stream_id)
        handle.write("before the cut, ")
        await first.wait_for("d")
    handle.write("during the cut, ")
    await handle.flush()
    async with service.connect() as socket:
        second = await Watcher.greet(socket)
        second.folds = first.folds
        assert (await second.subscribe(handle.stream_id, first.folds[handle.stream_id].cursor))["mode"] == "delta"
        handle.write("after the cut")
        await service.worker.finish(handle)
        fold = await second.watch_to_end(handle.stream_id)
    assert fold.text == "before the cut, during the cut, after the cut"
    assert not any(frame["t"] == "n" for frame in second.frames)


@pytest.mark.parametrize("cursor", ["9-999", "nonsense", "1-1-1", "٣-٤", "-1-0"])
async def test_a_cursor_that_means_nothing_gets_a_snapshot(service: Service, cursor: str) -> None:
    handle = await service.worker.open_stream(service.account)
    handle.write("whole")
    await service.worker.finish(handle)
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        assert (await watcher.subscribe(handle.stream_id, cursor))["mode"] == "snapshot"
        assert (await watcher.watch_to_end(handle.stream_id)).text == "whole"


async def test_a_finished_stream_without_redis_log_comes_from_postgres(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    handle.write("stored")
    await service.worker.finish(handle)
    await service.redis.flushdb()
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        await watcher.subscribe(handle.stream_id)
        assert (await watcher.watch_to_end(handle.stream_id)).text == "stored"


async def test_a_stream_of_another_project_is_unknown(service: Service) -> None:
    stranger = await service.add_account("two")
    theirs = await service.worker.add_stream(stranger)
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        answers = []
        for number, stream_id in enumerate([theirs, "str_unknown", "nul\x00"]):
            await watcher.send("sub", id=number, stream=stream_id)
            answers.append(await watcher.wait_for("err", id=number))
            await watcher.send("cancel", id=number, stream=stream_id)
            answers.append(await watcher.wait_for("err", id=number))
    assert {answer["error"]["code"] for answer in answers} == {"not_found"}
    assert not await is_cancel_requested(service.redis, theirs)


async def test_cancel_reaches_the_worker(service: Service) -> None:
    heard: list[str] = []

    async def note(stream_id: str) -> None:
        heard.append(stream_id)

    listener = CancelListener(service.redis, note)
    await listener.start()
    await listener.wait_until_listening()
    stream_id = await service.worker.add_stream(service.account)
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        await watcher.send("cancel", id=1, stream=stream_id)
        await eventually(lambda: stream_id in heard, timeout_seconds=5)
    assert await is_cancel_requested(service.redis, stream_id)
    await listener.stop()


async def test_a_key_that_may_only_read_cannot_cancel(service: Service) -> None:
    reader = await service.add_account("one", ("read",))
    stream_id = await service.worker.add_stream(service.account)
    async with service.connect(reader) as socket:
        watcher = await Watcher.greet(socket)
        await watcher.send("cancel", id=1, stream=stream_id)
        assert (await watcher.wait_for("err"))["error"]["code"] == "insufficient_permissions"
    assert not await is_cancel_requested(service.redis, stream_id)


async def close_code(socket: websockets.ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            await asyncio.wait_for(socket.recv(), 10)
    return socket.close_code


async def test_a_bad_key_is_closed_with_4001_and_one_without_scope_with_4003(service: Service) -> None:
    headers = {"authorization": "Bearer sm_wrong"}
    async with websockets.connect(service.socket_url, additional_headers=headers) as socket:
        assert await close_code(socket) == 4001
    async with service.connect(await service.add_account("one", ("write",))) as socket:
        assert await close_code(socket) == 4003


async def test_a_ticket_opens_one_socket_once(service: Service) -> None:
    account = service.account
    principal = Principal(account.project_id, account.api_key_id, frozenset({"read"}))
    ticket = await issue_ticket(service.redis, principal)
    offered = [websockets.Subprotocol("storymill.v1"), websockets.Subprotocol(f"ticket.{ticket}")]
    async with websockets.connect(service.socket_url, subprotocols=offered) as socket:
        assert socket.subprotocol == "storymill.v1"
        await Watcher.greet(socket)
    async with websockets.connect(service.socket_url, subprotocols=offered) as socket:
        assert await close_code(socket) == 4001


async def test_a_ticket_may_come_as_the_first_frame(service: Service) -> None:
    account = service.account
    principal = Principal(account.project_id, account.api_key_id, frozenset({"read"}))
    async with websockets.connect(service.socket_url) as socket:
        await socket.send(json.dumps({"t": "auth", "ticket": await issue_ticket(service.redis, principal)}))
        await Watcher.greet(socket)
    async with websockets.connect(service.socket_url) as socket:
        await socket.send(json.dumps({"t": "sub", "id": 1, "stream": "str_x"}))
        assert await close_code(socket) == 4001


async def test_a_page_of_a_foreign_origin_may_not_connect(service: Service) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with service.connect(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with service.connect(origin="http://127.0.0.1:8000") as socket:
        await Watcher.greet(socket)


@pytest.mark.parametrize(
    "message", ["{", "[]", '{"t":"dance"}', '{"t":1}', '{"t":"sub","id":[1],"stream":"x"}', b"\x00"]
)
async def test_what_is_no_frame_closes_with_4009(service: Service, message: str | bytes) -> None:
    async with service.connect() as socket:
        await Watcher.greet(socket)
        await socket.send(message)
        assert await close_code(socket) == 4009


async def test_a_frame_with_a_bad_field_is_answered_and_the_socket_goes_on(service: Service) -> None:
    async with service.connect() as socket:
        watcher = await Watcher.greet(socket)
        await watcher.send("sub", id="a")
        assert (await watcher.wait_for("err", id="a"))["error"]["param"] == "stream"
        await watcher.send("start", id="b", request={"model": "m", "prompt": "p"})
        assert (await watcher.wait_for("err", id="b"))["error"]["code"] == "unsupported"
        await watcher.subscribe(await service.worker.add_stream(service.account))


async def test_an_oversized_message_closes_the_socket(service: Service) -> None:
    async with service.connect() as socket:
        await Watcher.greet(socket)
        await socket.send(json.dumps({"t": "pong", "x": "y" * 5000}))
        assert await close_code(socket) == 1009


async def test_too_many_frames_close_with_4029(database_url: str, redis_url: str) -> None:
    async with serve(database_url, redis_url, frames_per_second=1) as service, service.connect() as socket:
        watcher = await Watcher.greet(socket)
        for _ in range(10):
            await watcher.send("pong")
        assert await close_code(socket) == 4029


async def test_subscriptions_of_a_socket_are_limited(database_url: str, redis_url: str) -> None:
    async with serve(database_url, redis_url, max_subscriptions=2) as service, service.connect() as socket:
        watcher = await Watcher.greet(socket)
        streams = [await service.worker.add_stream(service.account) for _ in range(3)]
        await watcher.subscribe(streams[0], frame_id="0")
        await watcher.subscribe(streams[1], frame_id="1")
        await watcher.send("sub", id="2", stream=streams[2])
        assert (await watcher.wait_for("err", id="2"))["error"]["code"] == "too_many_subscriptions"
        await watcher.send("unsub", id="0")
        await watcher.subscribe(streams[2], frame_id="2")


async def test_a_quiet_socket_gets_heartbeats_with_its_cursors(database_url: str, redis_url: str) -> None:
    async with serve(database_url, redis_url, heartbeat_seconds=1) as service, service.connect() as socket:
        watcher = await Watcher.greet(socket)
        handle = await service.worker.open_stream(service.account)
        await watcher.subscribe(handle.stream_id)
        handle.write("x")
        assert (await watcher.wait_for("hb", tops={handle.stream_id: "1-1"}))["ts"] > 0


async def test_a_client_that_does_not_read_is_closed_with_4008_and_can_resume(
    database_url: str, redis_url: str
) -> None:
    async with serve(database_url, redis_url, slow_seconds=1) as service:
        handle = await service.worker.open_stream(service.account)
        async with service.connect(max_queue=1, max_size=None) as socket:
            watcher = await Watcher.greet(socket)
            await watcher.subscribe(handle.stream_id)
            # The client's library stops reading at one queued message; the rest fills the socket's buffers.
            for _ in range(400):
                handle.write("x" * 20_000)
                await handle.flush()
            await eventually(lambda: service.streaming.clients.slow_closes == 1, timeout_seconds=15)
            with suppress(ConnectionClosed):
                while True:
                    await asyncio.wait_for(watcher.read(), 10)
            assert socket.close_code == 4008
        fold = watcher.folds[handle.stream_id]
        async with service.connect(max_size=None) as socket:
            again = await Watcher.greet(socket)
            again.folds = watcher.folds
            await again.subscribe(handle.stream_id, fold.cursor)
            await service.worker.finish(handle)
            assert (await again.watch_to_end(handle.stream_id)).text == handle.text


async def test_a_cut_of_everybody_is_caught_up_with_one_log_read(service: Service) -> None:
    handle = await service.worker.open_stream(service.account)
    for _ in range(10):
        handle.write("text ")
        await handle.flush()
    sockets = await asyncio.gather(*(service.connect().__aenter__() for _ in range(200)))
    watchers = await asyncio.gather(*(Watcher.greet(socket) for socket in sockets))
    await asyncio.gather(*(watcher.subscribe(handle.stream_id, "1-3") for watcher in watchers))
    await service.worker.finish(handle)
    for watcher in watchers:
        while not watcher.folds[handle.stream_id].end and not any(frame["t"] == "end" for frame in watcher.frames):
            await watcher.read()
    assert service.streaming.hub.counters.log_reads == 1
    await asyncio.gather(*(socket.close() for socket in sockets))
