"""A model's own tokenizer is taken from its server only if it is, byte for byte, the one that the card names."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from services.workers.process.context import WorkerContext, open_context
from services.workers.process.settings import WorkerSettings
from shared.settings import Settings

WHOLE = b'{"version": "1.0", "model": {}}'
SHA256 = hashlib.sha256(WHOLE).hexdigest()
MODEL = "own-model"


class TokenizerServer:
    """A provider that has a tokenizer to give; `content` is what it answers."""

    def __init__(self) -> None:
        self.content = WHOLE
        self.runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Serve; return the base URL."""
        app = web.Application()
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_get(f"/v1/models/{MODEL}/tokenizer", self.describe)
        app.router.add_get(f"/v1/models/{MODEL}/tokenizer/content", self.send)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"

    async def list_models(self, _: web.Request) -> web.Response:
        """Answer as OpenAI does."""
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def describe(self, _: web.Request) -> web.Response:
        """Answer the card."""
        return web.json_response(
            {"base": "own", "sha256": SHA256, "chat_template": "", "bos_token": None, "eos_token": None}
        )

    async def send(self, _: web.Request) -> web.Response:
        """Answer the file."""
        return web.Response(body=self.content)


@pytest.fixture
async def server() -> AsyncIterator[TokenizerServer]:
    """A provider with a tokenizer."""
    server = TokenizerServer()
    yield server
    if server.runner is not None:
        await server.runner.cleanup()


@pytest.fixture
async def context(
    server: TokenizerServer, database_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[WorkerContext]:
    """A worker's context whose provider is the server."""
    stores = {"database_url": database_url, "redis_url": redis_url, "object_store_dir": str(tmp_path / "objects")}
    opened = await open_context(
        Settings.model_validate({**stores, "upstream_url": await server.start()}), WorkerSettings()
    )
    yield opened
    await opened.close()


async def test_bytes_that_the_card_does_not_name_are_refused(
    context: WorkerContext, server: TokenizerServer, tmp_path: Path
) -> None:
    server.content = WHOLE[:-5]
    assert await context.tokenizers.fetch(MODEL, tmp_path) is None
    assert not context.objects.exists(SHA256)
    assert not context.objects.exists(hashlib.sha256(server.content).hexdigest())
    server.content = WHOLE
    order = await context.tokenizers.fetch(MODEL, tmp_path)
    assert order is not None
    assert (tmp_path / "tokenizer.json").read_bytes() == WHOLE


async def test_a_damaged_copy_of_ours_is_fetched_anew(
    context: WorkerContext, server: TokenizerServer, tmp_path: Path
) -> None:
    assert await context.tokenizers.fetch(MODEL, tmp_path) is not None
    (kept,) = (tmp_path / "objects").rglob(SHA256)
    kept.write_bytes(b"")
    order = await context.tokenizers.fetch(MODEL, tmp_path)
    assert order is not None
    assert (tmp_path / "tokenizer.json").read_bytes() == WHOLE
    (mended,) = (tmp_path / "objects").rglob(SHA256)
    assert mended.read_bytes() == WHOLE, "the damaged copy is kept"
