"""What tests of batches send and look at, through the official SDK."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import openai
from openai.types import Batch

from tests.support.gateway import Mill
from tests.support.interactive import eventually_async
from tests.support.upstream import MODEL

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
OVER = {"completed", "failed", "expired", "cancelled"}


def make_line(custom_id: str, prompt: str, endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    """Return a request of one prompt, as OpenAI writes it."""
    asked = {"messages": [{"role": "user", "content": prompt}]} if endpoint == CHAT else {"prompt": prompt}
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": endpoint,
        "body": {"model": MODEL, **asked, "max_tokens": 200, **body},
    }


def encode_lines(lines: Sequence[dict[str, Any]]) -> bytes:
    """Return a file of lines."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


@asynccontextmanager
async def open_sdk(mill: Mill, project: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it, with a key of a project."""
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key(project)) as made:
        yield made


async def upload(sdk: openai.AsyncOpenAI, content: bytes) -> str:
    """Upload a file of requests; return its id."""
    return (await sdk.files.create(file=("requests.jsonl", content), purpose="batch")).id


async def create(sdk: openai.AsyncOpenAI, content: bytes, endpoint: Any = CHAT, **options: Any) -> Batch:
    """Upload a file and order its batch."""
    file_id = await upload(sdk, content)
    return await sdk.batches.create(input_file_id=file_id, endpoint=endpoint, completion_window="24h", **options)


async def wait_for(sdk: openai.AsyncOpenAI, batch_id: str, *statuses: str, timeout_seconds: float = 60) -> Batch:
    """Wait until a batch has one of these statuses, or is over."""
    found: list[Batch] = []

    async def is_there() -> bool:
        found[:] = [await sdk.batches.retrieve(batch_id)]
        return found[0].status in {*statuses, *OVER}

    await eventually_async(is_there, timeout_seconds=timeout_seconds, what=f"{batch_id} to be {statuses or 'over'}")
    return found[0]


async def read_lines(sdk: openai.AsyncOpenAI, file_id: str | None) -> dict[str, dict[str, Any]]:
    """Return the lines of an output or error file by `custom_id`; none twice."""
    if file_id is None:
        return {}
    lines = [json.loads(line) for line in (await sdk.files.content(file_id)).text.splitlines()]
    found = {line["custom_id"]: line for line in lines}
    assert len(found) == len(lines)
    return found
