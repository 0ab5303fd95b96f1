"""Instructor on the engine through the gateway: objects of a schema by JSON and by tools, at once, in pieces, again."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.client_env import run_client
from tests.support.engine_mill import open_engine_mill
from tests.support.gateway import Mill
from tests.support.gateway_fixtures import Stores
from tests.support.tiny_model import build_tiny_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.client_env, pytest.mark.slow]

MODEL = "tiny"
CHARACTERS = 8192
"""Each is a token of the tiny model; Instructor tells it its schema in words."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mill(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mill]:
    """A mill over the tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    model = await asyncio.to_thread(build_tiny_model, folder / MODEL, context_length=CHARACTERS)
    room = {"STORYMILL_ENGINE_CONTEXT_LENGTH": str(CHARACTERS)}
    async with open_engine_mill(folder, stores, model, **room) as opened:
        yield opened


def is_hero(value: dict[str, Any]) -> bool:
    return value["dynasty"] in {"唐", "宋"} and 1 <= value["age"] <= 99


async def test_every_mode_gives_objects_of_the_schema(mill: Mill) -> None:
    env = {"OPENAI_API_KEY": await mill.key(), "OPENAI_BASE_URL": f"{mill.base_url}/v1"}
    said = json.loads(await run_client("instructor", "instructor_models.py", MODEL, "a", env=env))
    for name in ("json_schema", "json_schema_streamed", "tools", "tools_streamed", "again"):
        assert is_hero(said[name]), name
    assert said["json"]
    assert said["doubts"] == 2
