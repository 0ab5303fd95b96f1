"""The peers of the volume benchmark: a bare asyncio loop over the `openai` package, and one over aiohttp. They keep
nothing. `python -m benchmarks.volume_loops openai --url … --rows 5000` prints seconds and CPU seconds as JSON."""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import openai
import orjson
import uvloop

from benchmarks.volume_upstream import MODEL

Ask = Callable[[str], Awaitable[str]]
MAX_TOKENS = 300


async def run_rows(ask: Ask, rows: int, in_flight: int) -> tuple[float, float]:
    """Ask for `rows` stories, `in_flight` at a time; return seconds and CPU seconds."""
    numbers = iter(range(rows))

    async def worker() -> None:
        for number in numbers:
            text = await ask(f"写一个关于唐朝第{number}位英雄的故事。")
            assert text

    await asyncio.gather(*(ask("热身") for _ in range(in_flight)))  # connections are open before the clock runs
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return time.perf_counter() - begun, time.process_time() - cpu


async def run_openai(url: str, rows: int, in_flight: int) -> tuple[float, float]:
    """The loop that one writes first."""
    async with openai.AsyncOpenAI(base_url=url, api_key="bench", max_retries=0) as client:

        async def ask(prompt: str) -> str:
            answer = await client.completions.create(model=MODEL, prompt=prompt, max_tokens=MAX_TOKENS)
            return answer.choices[0].text

        return await run_rows(ask, rows, in_flight)


async def run_aiohttp(url: str, rows: int, in_flight: int) -> tuple[float, float]:
    """The floor: no client library at all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(prompt: str) -> str:
            body = orjson.dumps({"model": MODEL, "prompt": prompt, "max_tokens": MAX_TOKENS})
            async with session.post(
                f"{url}/completions", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                return str(orjson.loads(await answer.read())["choices"][0]["text"])

        return await run_rows(ask, rows, in_flight)


def main() -> None:
    """Run one loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=["openai", "aiohttp"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--in-flight", type=int, default=256)
    arguments = parser.parse_args()
    run = run_openai if arguments.loop == "openai" else run_aiohttp
    seconds, cpu_seconds = uvloop.run(run(arguments.url, arguments.rows, arguments.in_flight))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
