"""The worker's end of a sink's child process: started with as little as it needs, asked one thing at a time, killed
with its own children when it does not answer."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from shared.contracts.storable import cut_text, make_storable_json
from shared.errors import StorymillError

PROJECT_ROOT: Final = Path(__file__).resolve().parents[3]
ANSWER_BYTES: Final = 1 << 20
LONGEST_ERROR_CHARACTERS: Final = 500
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
THIS_MACHINE: Final = "localhost,127.0.0.1,::1"
"""No proxy leads here; our own clients know it, the trackers' do not all."""
PASSED_NAMES: Final = frozenset({"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", *PROXIES})
PASSED_PREFIXES: Final = ("WANDB_", "MLFLOW_", "TRACKIO_", "HF_", "SSL_CERT_", "REQUESTS_CA_", "DATABRICKS_")
"""The trackers' own settings and keys. Our database, our provider's key stay with us."""


class SinkError(StorymillError):
    """The tracker failed or did not answer; the message is for the tracker run's `last_error`."""

    default_code = "tracker_failed"


class MissingPackageError(SinkError):
    """The tracker's package is not installed."""

    default_code = "tracker_not_installed"


class SinkProcess:
    """A child process that serves one tracker run."""

    def __init__(self, process: Process, sink: str) -> None:
        self._process = process
        self._sink = sink

    @classmethod
    async def start(cls, sink: str, python: Path | None) -> Self:
        """Start the child. Raises: SinkError when the system starts none."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(str(python or sys.executable), "-m", "services.workers.deliveries.sinks", sink),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,  # it is the tracker's, and may hold its keys
                cwd="/",
                env=build_environment(),
                limit=ANSWER_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            raise SinkError(f"The tracker's process cannot be started: {error.strerror}.") from None
        return cls(process, sink)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def ask(self, order: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Send an order and return the answer. Raises: SinkError when the child dies, is late or refuses,
        MissingPackageError when it lacks the tracker's library."""
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # then there is no answer either
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            await self._process.stdin.drain()
        return await self._read_answer(timeout_seconds)

    async def pause(self, timeout_seconds: float) -> None:
        """Have the child make everything safe and leave. Raises: SinkError when it dies or is late."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._read_answer(timeout_seconds)

    async def kill(self) -> None:
        """End the child and whatever it has started, now."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def _read_answer(self, timeout_seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise SinkError(f"The tracker did not answer within {timeout_seconds:g} s.") from None
        except ValueError:
            raise SinkError("The tracker's process talks nonsense.") from None
        if not line:
            raise SinkError("The tracker's process died.")
        return read_answer(line)


def read_answer(line: bytes) -> dict[str, Any]:
    """Return what a sink answered, storable. Raises: SinkError for a failure and for nonsense, MissingPackageError."""
    try:
        answer = make_storable_json(json.loads(line))
    except (ValueError, RecursionError):
        raise SinkError("The tracker's process talks nonsense.") from None
    if not isinstance(answer, dict):
        raise SinkError("The tracker's process talks nonsense.")
    if "missing" in answer:
        raise MissingPackageError(
            f"The package {answer['missing']} is not installed: see 'Trackers' in docs/operators.md."
        )
    if "error" in answer:
        raise SinkError(cut_text(str(answer["error"]), LONGEST_ERROR_CHARACTERS))
    return answer


def build_environment() -> dict[str, str]:
    """Return what a tracker may know of our environment."""
    passed = {
        name: value for name, value in os.environ.items() if name in PASSED_NAMES or name.startswith(PASSED_PREFIXES)
    }
    if any(name in passed for name in PROXIES):
        exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        passed["no_proxy"] = passed["NO_PROXY"] = f"{exceptions},{THIS_MACHINE}" if exceptions else THIS_MACHINE
    if trusted := os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        passed.setdefault("REQUESTS_CA_BUNDLE", trusted)  # the library `requests` does not know the other two names
    return {**passed, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
