"""Ask a process whether it is ready: over HTTP, with its own tool, or by a sign that it leaves."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from storymill.launcher import redis

HTTP_TIMEOUT_SECONDS = 5.0
NO_KEPT_CONNECTIONS = httpx2.Limits(max_keepalive_connections=0)


@dataclass(frozen=True)
class Readiness:
    """The answer of one probe. `progress` is 0..1 where the process tells how far its start has come."""

    is_ready: bool
    message: str = ""
    progress: float | None = None
    is_silent: bool = False
    """Whether nothing answered at all, where a running process would."""


Probe = Callable[[], Awaitable[Readiness]]


def probe_http(url: str) -> Probe:
    """Ready when the URL answers 200; its JSON may say `problems`, `message` or `status`, and `progress` until then."""
    # The environment's proxies are for the world outside, not for loopback; nor are its certificates, whose loading
    # costs more than all else here. No connection is kept: the process may have been restarted since.
    client = httpx2.AsyncClient(timeout=HTTP_TIMEOUT_SECONDS, trust_env=False, verify=False, limits=NO_KEPT_CONNECTIONS)

    async def probe() -> Readiness:
        try:
            answer = await client.get(url)
        except httpx2.HTTPError:
            return Readiness(is_ready=False, is_silent=True)
        return Readiness(answer.status_code == 200, *read_progress(answer))

    return probe


def read_progress(answer: httpx2.Response) -> tuple[str, float | None]:
    """Take message and progress out of a readiness answer, whatever else it is."""
    try:
        body = answer.json()
    except ValueError:
        return "", None
    if not isinstance(body, dict):
        return "", None
    progress = body.get("progress")
    problems = body.get("problems")
    told = "; ".join(map(str, problems)) if isinstance(problems, list) else ""
    message = told or body.get("message", body.get("status"))
    return (
        message if isinstance(message, str) else "",
        min(1.0, max(0.0, float(progress))) if isinstance(progress, int | float) else None,
    )


def probe_command(command: list[str]) -> Probe:
    """Ready when the command exits 0."""

    async def probe() -> Readiness:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        return Readiness(await process.wait() == 0)

    return probe


def probe_redis(port: int, password: str) -> Probe:
    """Ready when the server has loaded its data."""

    async def probe() -> Readiness:
        return Readiness(await asyncio.to_thread(redis.answers_ping, port, password))

    return probe


def probe_fresh_file(folder: Path, pattern: str) -> Probe:
    """Ready when a file in the folder was written after the probe was made: for processes without a port."""
    made_at = time.time()

    def has_fresh_file() -> bool:
        return any(path.stat().st_mtime >= made_at for path in folder.glob(pattern))

    async def probe() -> Readiness:
        return Readiness(await asyncio.to_thread(has_fresh_file))

    return probe
