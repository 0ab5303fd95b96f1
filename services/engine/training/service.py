"""The engine's side of files and fine-tuning: what the routes call, one per application."""

import asyncio
import secrets
import threading
from pathlib import Path
from typing import Any

import structlog

from services.engine.admission.folder import resolve_folder
from services.engine.errors import InvalidRequestError, NotFoundError, OverloadedError
from services.engine.files import FileStore, StoredFile
from services.engine.idempotency import IdempotencyKey
from services.engine.registry import ModelEntry, ModelRegistry
from services.engine.settings import EngineSettings
from services.engine.store import open_store
from services.engine.training.job_folder import JobFolder, sweep_job_folders
from services.engine.training.job_request import JobRequest
from services.engine.training.job_store import Job, JobStore
from services.engine.training.older_models import stamp_older_models
from services.engine.training.row_check import RowCheck
from services.engine.training.settings import TrainingSettings
from services.engine.training.supervisor import Supervisor
from services.engine.weights.prepare import prepare_model

log = structlog.get_logger(__name__)

LARGEST_SEED = 2**31 - 1
"""Bound of the seeds that are drawn for jobs without one."""
SWEEP_SECONDS = 600.0
"""Between two looks for expired files and folders of jobs that are over."""
ABANDONED_UPLOAD_SECONDS = 24 * 3600.0
"""Since the last byte: no client is still sending then."""
RETRY_WHEN_FULL_SECONDS = 60.0
"""What a client is told to wait while as many jobs are open as may be."""
RETRY_WHILE_STARTING_SECONDS = 5.0
"""What a client is told to wait until the base is admitted."""


class TrainingService:
    """Files, jobs and the supervisor of one engine. Methods but `start` and `stop` block: call them in a thread."""

    def __init__(
        self, settings: EngineSettings, registry: ModelRegistry, training: TrainingSettings | None = None
    ) -> None:
        self.settings = training or TrainingSettings()
        self._engine_settings = settings
        self._state_dir: Path = settings.state_dir.resolve()
        store = open_store(self._state_dir)
        self.files = FileStore(store, self._state_dir / "files")
        self.jobs = JobStore(store)
        self.supervisor = Supervisor(self._state_dir, self.jobs, self.settings, RowCheck(self.settings).check)
        self._registry = registry
        self._creating = threading.Lock()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up work that an earlier engine left, and new work from now on."""
        await self.supervisor.start()
        self._sweeper = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        """Stop the trainer at a resume point."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self.supervisor.stop()

    def create_job(self, request: JobRequest, key: IdempotencyKey | None = None) -> Job:
        """Record a job and link what it needs, or return the one that was made with this key before.

        Raises: ApiError for a model or file that is not there.
        """
        with self._creating:  # so that two requests with one key do not both find nothing
            made = None if key is None else self.jobs.find_made(key)
            return self._create_job(request, key) if made is None else made

    def _create_job(self, request: JobRequest, key: IdempotencyKey | None) -> Job:
        if self.jobs.count_open() >= self.settings.maximum_open_jobs:
            raise OverloadedError(
                f"There are already {self.settings.maximum_open_jobs} unfinished fine-tuning jobs.",
                code="too_many_jobs",
                retry_after_seconds=RETRY_WHEN_FULL_SECONDS,
            )
        model = self._get_model(request.model)
        training = self._get_data_file(request.training_file, "training_file")
        validation = None
        if request.validation_file is not None:
            validation = self._get_data_file(request.validation_file, "validation_file")
        row = self._request_row(request)
        job = self.jobs.create(row, self._source_row(model), request.hyperparameters.to_json(), key)
        self._fill_folder(job, training, validation, model)
        return self.jobs.release(job.id)

    def stamp_older_models(self) -> None:
        """Let models of earlier versions say on which base they were tuned, where that is sure."""
        if self._registry.base_fingerprint is not None:
            stamp_older_models(self._engine_settings, self.jobs, self._registry.base_fingerprint)

    def _get_model(self, name: str) -> ModelEntry:
        """Return the model to start from, with its base's fingerprint.

        Raises: OverloadedError while the base is not admitted, NotFoundError when no such model can be asked now.
        """
        if self._registry.base_fingerprint is None:
            raise OverloadedError(
                "The engine is starting: its base is not admitted yet. Please retry shortly.",
                code="engine_starting",
                retry_after_seconds=RETRY_WHILE_STARTING_SECONDS,
            )
        return self._registry.get_model(name)

    def _fill_folder(self, job: Job, training: StoredFile, validation: StoredFile | None, model: ModelEntry) -> None:
        path = self.files.path_of
        try:
            JobFolder(self._state_dir, job.id).fill(
                path(training.id), path(validation.id) if validation else None, model.folder
            )
        except OSError:
            self.jobs.discard_unreleased(job.id)
            raise

    def _get_data_file(self, file_id: str, param: str) -> StoredFile:
        found = self.files.find(file_id)
        if found is None:
            raise InvalidRequestError(
                f"{param}: there is no file '{file_id}'. Upload it first and pass the id that the upload returned.",
                param=param,
                code="file_not_found",
            )
        if found.purpose != "fine-tune":
            raise InvalidRequestError(
                f"{param}: file '{file_id}' has purpose '{found.purpose}', but 'fine-tune' is needed.",
                param=param,
                code="invalid_file_purpose",
            )
        return found

    def _request_row(self, request: JobRequest) -> dict[str, Any]:
        seed = request.seed if request.seed is not None else secrets.randbelow(LARGEST_SEED)
        return {
            "model": request.model,
            "training_file": request.training_file,
            "validation_file": request.validation_file,
            "suffix": request.suffix,
            "seed": seed,
            "metadata": request.metadata,
            "integrations": request.integrations,
            "method": request.method,
        }

    def _source_row(self, model: ModelEntry) -> dict[str, Any]:
        base_path = prepare_model(self._engine_settings, lambda line: log.info("preparing weights", line=line))
        parent = None if model.folder is None else model.id
        fingerprint = self._registry.base_fingerprint
        return {
            "base_name": self._registry.base_name,
            "base_path": str(resolve_folder(base_path)),  # the trainer has a working folder of its own
            "parent_id": parent,
            "fingerprint": None if fingerprint is None else fingerprint.to_json(),
        }

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.to_thread(self.files.sweep, ABANDONED_UPLOAD_SECONDS)
            await asyncio.to_thread(sweep_job_folders, self._state_dir, self.jobs)
            await asyncio.sleep(SWEEP_SECONDS)


def job_not_found(job_id: str) -> NotFoundError:
    """The error for a job that is not there."""
    return NotFoundError(f"Could not find fine tune: {job_id}", param="fine_tuning_job_id", code="fine_tune_not_found")
