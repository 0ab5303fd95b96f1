"""The yardstick: uvicorn's own WebSocket loop that sends a ready-made frame to every socket, and nothing else.

`GET /push?count=N&per_second=R` begins. Run as `python -m benchmarks.bare_socket_server PORT`."""

import asyncio
import sys
from typing import Any
from urllib.parse import parse_qs

import uvicorn

FRAME = '{"t":"d","stream":"str_01a209defed57407a28e6e7c424a36d4","c0":"1-%d","c":"1-%d","o":%d,"x":"从前有座山，"}'
sends: set[Any] = set()
pushes: set[asyncio.Task[None]] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer a WebSocket with whatever is pushed, and a POST by pushing `count` frames at `per_second`."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        sends.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        sends.discard(send)
    elif scope["type"] == "http":
        query = parse_qs(scope["query_string"].decode())
        pushes.add(asyncio.create_task(push(int(query["count"][0]), float(query["per_second"][0]))))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def push(count: int, per_second: float) -> None:
    """Send `count` frames to every open socket, `per_second` of them a second."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / per_second - loop.time()))
        text = FRAME % (number, number, number)
        for send in list(sends):
            await send({"type": "websocket.send", "text": text})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
