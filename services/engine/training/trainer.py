"""The trainer process: `python -m services.engine.training.trainer --state-dir D --job J --attempt N`.

Started by the supervisor, one at a time; a lock on the state folder makes sure of that even when an earlier
engine was killed and left its trainer behind. It stops between two passes when it is told to (SIGTERM), when the
job is no longer its own, or when the process that started it is gone.
"""

import argparse
import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import torch

from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.adapter import AdapterError
from services.engine.store import Store, open_store
from services.engine.training.effect import EffectError
from services.engine.training.job_run import JobRun
from services.engine.training.job_store import ClaimLostError, JobError, JobStore
from services.engine.training.loop import TrainingDivergedError
from services.engine.training.memory import InsufficientMemoryError
from services.engine.training.settings import TrainingSettings
from services.engine.training.validation import InvalidFileError

log = structlog.get_logger(__name__)

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, quota or file that is full."""


def main() -> None:
    """Run one attempt at one job. Exit status 0 also when the job failed: the store says how it went."""
    parser = argparse.ArgumentParser(prog="trainer", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--attempt", type=int, required=True)
    options = parser.parse_args()
    stop = StopSignal()
    settings = TrainingSettings()
    os.nice(settings.niceness)
    torch.set_num_threads(settings.threads)
    with _only_trainer(options.state_dir / "trainer.lock"):
        run_attempt(options.state_dir, options.job, options.attempt, settings, stop)


def run_attempt(state_dir: Path, job_id: str, attempt: int, settings: TrainingSettings, stop: "StopSignal") -> None:
    """Run the job if it is still this attempt's, and write the reason into its row if it fails."""
    store = open_store(state_dir)
    job = JobStore(store).get(job_id)
    if job.attempt != attempt or job.status != "running":
        log.info("not ours any more", job=job_id, status=job.status)
        return
    try:
        JobRun(state_dir, store, job, settings, stop.is_set).run()
    except ClaimLostError:
        log.info("claim lost", job=job_id)
    except InvalidFileError as error:
        _fail(store, job_id, JobError(error.code, str(error), error.param), error.details)
    except Exception as error:
        failure = explain_failure(error)
        if failure is None:
            raise
        _fail(store, job_id, failure)


def explain_failure(error: Exception) -> JobError | None:
    """Return what a job fails with for an error that a person can do something about; None for a defect of ours."""
    match error:
        case BaseRefusedError():
            code, message = "base_refused", str(error)
        case AdapterError() | EffectError():
            code = "adapter_not_served"
            message = f"The tuned model would not be served as it was trained: {error}. Nothing was published."
        case InsufficientMemoryError():
            code, message = "insufficient_memory", str(error)
        case torch.OutOfMemoryError():
            code = "insufficient_memory"
            message = "The device's memory does not hold one pass over the longest example: shorten the longest ones."
        case TrainingDivergedError():
            code, message = "training_diverged", f"Training stopped: {error}. Try a smaller learning_rate_multiplier."
        case OSError() if error.errno in NO_ROOM:
            code, message = "disk_full", f"The disk is full ({error.strerror}); checkpoints written before are kept."
        case _:
            return None
    return JobError(code, message)


def _fail(store: Store, job_id: str, error: JobError, details: list[str] | None = None) -> None:
    log.error("job failed", job=job_id, code=error.code, message=error.message)
    JobStore(store).fail(job_id, error, details or [])


class StopSignal:
    """Set by SIGTERM or SIGINT, or when the parent process is gone."""

    def __init__(self) -> None:
        self._set = False
        self._parent = os.getppid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def is_set(self) -> bool:
        """Whether to stop between two passes."""
        return self._set or os.getppid() != self._parent

    def _note(self, number: int, frame: object) -> None:
        self._set = True


@contextmanager
def _only_trainer(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    main()
