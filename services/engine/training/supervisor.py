"""Keeps one trainer process busy with the oldest queued job, and cleans up after those that die.

Lives on the engine's event loop; holds no state that the store does not have.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from services.engine.admission.refusal import BaseRefusedError
from services.engine.training.examples import ExampleFile
from services.engine.training.job_folder import JobFolder
from services.engine.training.job_store import Job, JobError, JobStore
from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import InvalidFileError, check_file

log = structlog.get_logger(__name__)

REPOSITORY = Path(__file__).parents[3]
TRAINER_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
"""Threads that wait must sleep: spinning ones take the processor from the streams, and from one another."""
STOP_SECONDS = 10.0
"""How long a trainer may take to leave a resume point when the engine stops. A step is one to two seconds."""
PAUSE_AFTER_FAILURE_SECONDS = 5.0
"""After a failure of the supervisor itself (a full disk, a locked store): wait, then look again."""
LOG_TAIL_CHARACTERS = 600
"""Of the trainer's last line that are told when it died."""


class Supervisor:
    """Validates new jobs and runs queued ones, one at a time, oldest first.

    `check_rows` says of a file's rows whether the job's base can learn them: raises InvalidFileError, BaseRefusedError.
    """

    def __init__(
        self,
        state_dir: Path,
        jobs: JobStore,
        settings: TrainingSettings,
        check_rows: Callable[[Job, str, ExampleFile], None] = lambda job, param, found: None,
    ) -> None:
        self._state_dir = state_dir
        self._jobs = jobs
        self._settings = settings
        self._check_rows = check_rows
        self._may_validate = asyncio.Event()
        self._may_run = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Give back what an engine before this one left running, then work until `stop`."""
        await asyncio.to_thread(self._jobs.discard_unreleased)
        for job in await asyncio.to_thread(self._jobs.with_status, "running"):
            await asyncio.to_thread(self._jobs.requeue_interrupted, job.id, job.attempt, counts=False)
        self._tasks = [
            asyncio.create_task(_work_when(self._may_validate, self._validate_new_jobs)),
            asyncio.create_task(_work_when(self._may_run, self._run_queued_jobs)),
        ]
        self.wake()

    def wake(self) -> None:
        """Look for new work; called after every change by a client."""
        self._may_validate.set()
        self._may_run.set()

    async def stop(self) -> None:
        """Let the trainer leave a resume point, and stop. Its job is queued for the next engine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            await _stop_process(self._process)
        for job in await asyncio.to_thread(self._jobs.with_status, "running"):
            await asyncio.to_thread(self._jobs.requeue_stopped, job.id, job.attempt)

    @property
    def trainer_pid(self) -> int | None:
        """The running trainer's process id, for operators and tests."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def _validate_new_jobs(self) -> None:
        for job in await asyncio.to_thread(self._jobs.with_status, "validating_files"):
            await asyncio.to_thread(self._validate, job)
            self._may_run.set()

    def _validate(self, job: Job) -> None:
        folder = JobFolder(self._state_dir, job.id)
        files = [("training_file", folder.training_file)]
        if job.request["validation_file"]:
            files.append(("validation_file", folder.validation_file))
        try:
            for param, path in files:
                found = check_file(path, param, job.request["method"], self._settings)
                self._check_rows(job, param, found)
        except BaseRefusedError as error:
            self._jobs.fail(job.id, JobError("base_refused", str(error)))
        except InvalidFileError as error:
            self._jobs.fail(job.id, JobError(error.code, str(error), error.param), error.details)
        except OSError as error:
            self._jobs.fail(job.id, JobError("file_unreadable", f"The job's files cannot be read: {error}"))
        else:
            self._jobs.queue(job.id)

    async def _run_queued_jobs(self) -> None:
        while queued := await asyncio.to_thread(self._jobs.with_status, "queued"):
            job = await asyncio.to_thread(self._jobs.claim, queued[0].id)
            if job is not None:
                await self._run(job)

    async def _run(self, job: Job) -> None:
        folder = JobFolder(self._state_dir, job.id)
        self._process = await self._start_trainer(job, folder)
        log.info("trainer started", job=job.id, attempt=job.attempt, pid=self._process.pid)
        returncode = await self._process.wait()
        log.info("trainer ended", job=job.id, attempt=job.attempt, returncode=returncode)
        await asyncio.to_thread(self._settle, job, folder, returncode)

    async def _start_trainer(self, job: Job, folder: JobFolder) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "services.engine.training.trainer"]
        command += ["--state-dir", str(self._state_dir), "--job", job.id, "--attempt", str(job.attempt)]
        with folder.log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env=TRAINER_ENVIRONMENT | os.environ,
            )

    def _settle(self, job: Job, folder: JobFolder, returncode: int) -> None:
        after = self._jobs.get(job.id)
        if after.status == "running" and after.attempt == job.attempt:
            self._settle_dead(after, folder, returncode)
        elif after.status in ("succeeded", "cancelled"):
            folder.remove()

    def _settle_dead(self, job: Job, folder: JobFolder, returncode: int) -> None:
        if job.fruitless_starts + 1 < self._settings.maximum_fruitless_starts:
            self._jobs.requeue_interrupted(job.id, job.attempt)
            return
        starts = self._settings.maximum_fruitless_starts
        message = f"The trainer ended {starts} times without getting further ({_describe_end(returncode)})."
        tail = _read_tail(folder.log)
        self._jobs.fail(job.id, JobError("trainer_failed", f"{message} {tail}".strip()))


async def _work_when(may_work: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Work after every signal. One that comes during the work is answered by another round."""
    while True:
        await may_work.wait()
        may_work.clear()
        try:
            await work()
        except Exception:
            log.exception("supervisor failed; trying again")
            await asyncio.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            may_work.set()


def _describe_end(returncode: int) -> str:
    if returncode >= 0:
        return f"exit status {returncode}"
    hint = ", perhaps out of memory" if returncode == -signal.SIGKILL else ""
    return f"killed by {signal.Signals(-returncode).name}{hint}"


def _read_tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][-LOG_TAIL_CHARACTERS:] if lines else ""


async def _stop_process(process: asyncio.subprocess.Process) -> None:
    try:
        os.kill(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except ProcessLookupError:
        return
    except TimeoutError:
        process.kill()
        await process.wait()
