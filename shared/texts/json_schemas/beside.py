"""A JSON schema in a process beside this one (`process.py`): asked for what is wrong with it, and with each text.
Whatever becomes of that process, there is an answer."""

import asyncio
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

PROCESS: Final = "shared.texts.json_schemas.process"
PROJECT_ROOT: Final = Path(__file__).resolve().parents[3]
ENVIRONMENT: Final = {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
"""No secret of ours."""
PATIENCE_SECONDS: Final = 60.0
"""The process bounds its own time on a processor; this is for a machine that gives it none."""
MOST_SCHEMA_BYTES: Final = 64 * 1024
ENDED_BY_OTHERS: Final = frozenset({-signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL})
"""How a process ends that a service manager or the system ends: for what it was asked, it ends otherwise."""
TOO_DEAR: Final = "takes too long, or too much memory, to be held to the schema"


def find_schema_fault(schema: Any) -> str | None:
    """Return why texts cannot be held to a schema, in words; None when they can. Blocking, a second at most."""
    written = orjson.dumps(schema)
    if len(written) > MOST_SCHEMA_BYTES:
        return f"it has {len(written)} bytes, and a schema has at most {MOST_SCHEMA_BYTES}"
    try:
        ran = subprocess.run(  # noqa: S603 (our own module)
            [sys.executable, "-m", PROCESS],
            input=written + b"\n",
            stdout=PIPE,
            stderr=DEVNULL,
            env=ENVIRONMENT,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "reading it takes too long"
    if not ran.stdout:
        return "reading it takes too long, or too much memory"
    fault: str | None = orjson.loads(ran.stdout)
    return fault


class ProcessEndedError(Exception):
    """The process was ended from outside before it answered."""


class SchemaBeside:
    """Holds texts to one schema. The process is begun with the first text, and anew after one that it did not
    survive."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def find_breach(self, text: str) -> str | None:
        """Return why a text is not what the schema asks for, in words; None when it is."""
        async with self._turn:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await self._ask_living(text)
            except TimeoutError:
                await self._end()
                return TOO_DEAR
            except BaseException:  # between a question and its answer: the next would be given this one's
                await self._end()
                raise

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _ask_living(self, text: str) -> str | None:
        """Ask; once more of a new process where others ended the first. A text that is paid for has not to answer for
        that."""
        try:
            return await self._ask(text)
        except ProcessEndedError:
            with suppress(ProcessEndedError):
                return await self._ask(text)
        return TOO_DEAR

    async def _ask(self, text: str) -> str | None:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", PROCESS), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=ENVIRONMENT
            )
            fault = await self._put(self._schema)
            if fault is not None:  # it was none when the recipe was recorded
                await self._end()
                return f"cannot be held to the schema: {fault}"
        return await self._put(text)

    async def _put(self, value: Any) -> str | None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # then there is no answer either
            process.stdin.write(orjson.dumps(value) + b"\n")
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            self._process = None
            if await process.wait() in ENDED_BY_OTHERS:
                raise ProcessEndedError
            return TOO_DEAR
        found: str | None = orjson.loads(line)
        return found

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
