"""Keep one child process alive: start it, ask whether it is ready, start it again when it dies, stop it."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

import psutil

from storymill.launcher.child_command import build_child_command
from storymill.launcher.child_environment import build_child_environment
from storymill.launcher.errors import LauncherError, StartError
from storymill.launcher.log_file import LINES_OF_LOG_TO_SHOW, read_tail, rotate_if_large
from storymill.launcher.probes import Readiness
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.restart_policy import RestartPolicy
from storymill.launcher.snapshot import ProcessIdentity, ProcessState, ProcessStatus

STARTING_PROBE_SECONDS = 0.15
STEADY_PROBE_SECONDS = 3.0
# Fewer may be ours: a launcher that was stopped itself finds all its probes late.
SILENT_PROBES_OF_THE_FROZEN = 3
# A process that dies this often before it was ever ready will not come up: say so and stop.
CRASHES_BEFORE_GIVING_UP = 3


class ManagedProcess:
    """One child process and its restarts. All methods belong to one event loop."""

    def __init__(self, spec: ProcessSpec, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.status = ProcessStatus(name=spec.name, state="waiting", port=spec.port)
        self._on_change = on_change
        self._policy = RestartPolicy()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stop_requested = asyncio.Event()
        self._first_outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Begin to keep the process running; returns at once."""
        self._keeper = asyncio.create_task(self._keep_running())

    async def wait_ready(self) -> None:
        """Wait for the first time that the process is ready. Raises: StartError with the end of its log."""
        try:
            await asyncio.wait_for(asyncio.shield(self._first_outcome), timeout=self.spec.start_timeout_seconds)
        except TimeoutError as error:
            raise StartError(
                self._describe_failure(f"was not ready after {self.spec.start_timeout_seconds:g} s")
            ) from error

    async def stop(self) -> None:
        """End the process: its stop signal, a time of grace, then SIGKILL. Safe to call more than once."""
        self._stop_requested.set()
        if self._first_outcome.done():
            self._first_outcome.exception()  # seen: nobody may have waited for this process
        if self._keeper is None:
            return
        if self._process is not None and self._process.returncode is None:
            self._set_state("stopping")
            self._send(self.spec.stop_signal)
        _, pending = await asyncio.wait({self._keeper}, timeout=self.spec.stop_grace_seconds)
        if pending:
            self.kill()
            await asyncio.wait({self._keeper})
        self._set_state("stopped")

    def kill(self) -> None:
        """End the process and all that it started at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                kill_group(self._process.pid)
            else:
                self._process.send_signal(number)

    async def _keep_running(self) -> None:
        while not self._stop_requested.is_set():
            try:
                end = await self._run_once()
            except (OSError, LauncherError) as error:
                self._note_crash(str(error))
            else:
                if self._stop_requested.is_set():
                    return
                self._note_crash(end)
            delay_seconds = self._policy.record_crash(time.monotonic())
            if self._policy.is_crash_loop:
                self.status.message = self._describe_crash_loop(delay_seconds)
            self._set_state("restarting")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), timeout=delay_seconds)

    async def _run_once(self) -> str:
        """Start the process and stay with it until it ends; return how it did."""
        self.spec.prepare()
        process = await self._spawn()
        watcher = asyncio.create_task(self._watch_readiness())
        try:
            exit_code = await process.wait()
            was_frozen = watcher.done() and watcher.exception() is None
            return watcher.result() if was_frozen else describe_exit(exit_code)
        finally:
            watcher.cancel()
            # What a dead child started would go on holding its files and ports.
            kill_group(process.pid)
            self.status.identity = None
            self.status.progress = None

    async def _spawn(self) -> asyncio.subprocess.Process:
        rotate_if_large(self.spec.log_file)
        with self.spec.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *build_child_command(self.spec.command, owner=self.spec.owner, death_signal=self.spec.stop_signal),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=build_child_environment(self.spec.environment, keeps_secrets=self.spec.keeps_secrets),
                # Ctrl-C at the terminal is for us; we stop the children in order.
                start_new_session=True,
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            self.status.identity = ProcessIdentity.of(self._process.pid)
        self._set_state("starting")
        return self._process

    async def _watch_readiness(self) -> str:
        """Ask again and again; kill a process that has frozen, and return what is said of it then."""
        was_ready, silent_probes, silent_since = False, 0, 0.0
        while True:
            asked_at = time.monotonic()
            readiness = await self.spec.probe()
            was_ready = was_ready or readiness.is_ready
            silent_probes = silent_probes + 1 if readiness.is_silent else 0
            silent_since = asked_at if silent_probes <= 1 else silent_since
            is_late = time.monotonic() - silent_since > self.spec.frozen_seconds
            if was_ready and is_late and silent_probes >= SILENT_PROBES_OF_THE_FROZEN:
                self.kill()
                return f"did not answer for {self.spec.frozen_seconds:g} s and was killed"
            self._note_readiness(readiness)
            await asyncio.sleep(STEADY_PROBE_SECONDS if readiness.is_ready else STARTING_PROBE_SECONDS)

    def _note_readiness(self, readiness: Readiness) -> None:
        before = self.status.model_copy()
        was_ready = self.status.state in {"ready", "not ready"}
        self.status.progress = None if readiness.is_ready else readiness.progress
        self.status.message = "" if readiness.is_ready else readiness.message
        if readiness.is_ready and not self._first_outcome.done():
            self._first_outcome.set_result(None)
        if self.status.state != "stopping":
            self.status.state = "ready" if readiness.is_ready else "not ready" if was_ready else "starting"
        if self.status != before:  # what is told is written to the disk
            self._on_change()

    def _note_crash(self, what: str) -> None:
        self.status.restarts += 1
        self.status.message = what
        if self.status.restarts >= CRASHES_BEFORE_GIVING_UP and not self._first_outcome.done():
            self._first_outcome.set_exception(StartError(self._describe_failure(what)))

    def _set_state(self, state: ProcessState) -> None:
        self.status.state = state
        self._on_change()

    def _describe_crash_loop(self, delay_seconds: float) -> str:
        last_words = "\n".join(f"  {line}" for line in read_tail(self.spec.log_file, 3))
        return (
            f"keeps crashing, {self.status.message}; next try in {delay_seconds:g} s. Its log ends with:\n{last_words}"
        )

    def _describe_failure(self, what: str) -> str:
        tail = "\n".join(f"  {line}" for line in read_tail(self.spec.log_file, LINES_OF_LOG_TO_SHOW))
        return f"{self.spec.name} {what}. The end of {self.spec.log_file}:\n{tail}"


def kill_group(leader_pid: int) -> None:
    """End a child and all that it started: it leads a session, and so a group, of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader_pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Say how a process ended, in words."""
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
