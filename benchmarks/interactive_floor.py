"""The least that can stand between a client and a provider: FastAPI and aiohttp, passing bytes through and keeping
nothing. `python -m benchmarks.interactive_floor UPSTREAM PORT`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse


def build_app(upstream: str) -> FastAPI:
    """Return the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> StreamingResponse:
        body = await request.body()

        async def relay() -> AsyncIterator[bytes]:
            async with app.state.session.post(f"{upstream}/chat/completions", data=body) as answer:
                async for piece in answer.content.iter_any():
                    yield piece

        return StreamingResponse(relay(), media_type="text/event-stream")

    return app


def main() -> None:
    """Serve."""
    upstream, port = sys.argv[1:]
    uvicorn.run(build_app(upstream), host="127.0.0.1", port=int(port), log_level="warning", loop="uvloop")


if __name__ == "__main__":
    main()
