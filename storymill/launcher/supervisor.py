"""Run a plan: start everything in order, keep it alive, publish what is going on, stop it in reverse."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

from storymill.launcher.errors import LauncherError
from storymill.launcher.log_file import rotate_if_large
from storymill.launcher.managed_process import ManagedProcess
from storymill.launcher.plan import StartPlan, Step
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.snapshot import MillSnapshot, Phase, ProcessIdentity, ProcessStatus, write_snapshot
from storymill.launcher.state_dir import StateDir

ROTATE_EVERY_SECONDS = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """One run of a mill. Create it inside the event loop of the main thread: signals arrive there."""

    def __init__(self, plan: StartPlan, state: StateDir, on_change: Callable[[MillSnapshot], None]) -> None:
        self._plan = plan
        self._state = state
        self._on_change = on_change
        self._phase: Phase = "starting"
        self._message = ""
        self._identity = ProcessIdentity.of(os.getpid())
        self._stores = [self._manage(group) for group in plan.stores]
        self._step_statuses = [ProcessStatus(name=step.name, state="waiting") for step in plan.steps]
        self._services = [self._manage(group) for group in plan.services]
        self._stop_requested = asyncio.Event()

    def _manage(self, group: list[ProcessSpec]) -> list[ManagedProcess]:
        return [ManagedProcess(spec, self._publish) for spec in group]

    @property
    def _groups(self) -> list[list[ManagedProcess]]:
        return [*self._stores, *self._services]

    async def run(self) -> None:
        """Start, stay until a signal asks to stop, and stop. Raises: LauncherError when the start fails."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._request_stop)
        try:
            await self._start_unless_stopped()
            if not self._stop_requested.is_set():
                self._set_phase("ready")
                await self._stay()
        except LauncherError as error:
            await self._stop()
            self._set_phase("failed", str(error))
            raise
        except BaseException:
            await self._stop()
            raise
        await self._stop()
        self._set_phase("stopped")

    def _request_stop(self) -> None:
        if self._stop_requested.is_set():
            # Asked twice: the person at the terminal will not wait.
            for process in self._all_processes():
                process.kill()
        self._stop_requested.set()

    async def _start_unless_stopped(self) -> None:
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop_requested.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (start, stop):
            if not task.done():
                task.cancel()
        results = await asyncio.gather(start, stop, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]

    async def _start(self) -> None:
        for group in self._stores:
            await self._start_group(group)
        for step, status in zip(self._plan.steps, self._step_statuses, strict=True):
            await self._run_step(step, status)
        # Each service waits for what it needs by itself, and the engine may take minutes the first time.
        await asyncio.gather(*(self._start_group(group) for group in self._services))

    async def _start_group(self, group: list[ManagedProcess]) -> None:
        for process in group:
            process.start()
        await asyncio.gather(*(process.wait_ready() for process in group))

    async def _run_step(self, step: Step, status: ProcessStatus) -> None:
        status.state = "starting"
        self._publish()
        await step.run()
        status.state = "done"
        self._publish()

    async def _stay(self) -> None:
        while not self._stop_requested.is_set():
            for process in self._all_processes():
                with contextlib.suppress(OSError):  # a full disk: the log is rotated when there is room
                    rotate_if_large(process.spec.log_file)
            try:
                await asyncio.wait_for(self._stop_requested.wait(), timeout=ROTATE_EVERY_SECONDS)
            except TimeoutError:
                continue

    async def _stop(self) -> None:
        self._set_phase("stopping", self._message)
        for group in reversed(self._groups):
            await asyncio.gather(*(process.stop() for process in group))

    def _all_processes(self) -> list[ManagedProcess]:
        return [process for group in self._groups for process in group]

    def _set_phase(self, phase: Phase, message: str = "") -> None:
        self._phase = phase
        self._message = message
        self._publish()

    def take_snapshot(self) -> MillSnapshot:
        """Describe the mill as it is now."""
        stores = [process.status for group in self._stores for process in group]
        services = [process.status for group in self._services for process in group]
        return MillSnapshot(
            phase=self._phase,
            supervisor=self._identity,
            gateway_url=self._plan.gateway_url,
            streaming_url=self._plan.streaming_url,
            message=self._message,
            processes=[*stores, *self._step_statuses, *services],
        )

    def _publish(self) -> None:
        snapshot = self.take_snapshot()
        try:
            write_snapshot(self._state, snapshot)
        except LauncherError as error:
            # A disk that filled up later must not bring down what still runs: say it where it can be said.
            snapshot.message = str(error)
        with contextlib.suppress(OSError):  # our own log may lie on that disk
            self._on_change(snapshot)
