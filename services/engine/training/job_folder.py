"""The folder of a job: its own links to the data and the parent adapter, so that deleting those harms no job."""

import os
import shutil
import time
from pathlib import Path

from services.engine.training.job_store import FINISHED, JobStore

FAILED_FOLDER_SECONDS = 7 * 24 * 3600
"""A failed job's log and last resume point stay this long, for whoever looks into it."""


class JobFolder:
    """Paths inside `<state>/training/<job id>`."""

    def __init__(self, state_dir: Path, job_id: str) -> None:
        self.path = state_dir / "training" / job_id
        self.training_file = self.path / "training.jsonl"
        self.validation_file = self.path / "validation.jsonl"
        self.parent_adapter = self.path / "parent"
        self.resume_points = self.path / "resume"
        self.log = self.path / "trainer.log"

    def fill(self, training: Path, validation: Path | None, parent: Path | None) -> None:
        """Link what the job will read. Raises: OSError when a file can neither be linked nor copied."""
        self.path.mkdir(parents=True, exist_ok=True)
        _link(training, self.training_file)
        if validation is not None:
            _link(validation, self.validation_file)
        if parent is not None:
            self.parent_adapter.mkdir(exist_ok=True)
            for name in ("adapter_config.json", "adapter_model.safetensors"):
                _link(parent / name, self.parent_adapter / name)

    def remove(self) -> None:
        """Remove the folder; published models are elsewhere."""
        shutil.rmtree(self.path, ignore_errors=True)


def sweep_job_folders(state_dir: Path, jobs: JobStore) -> None:
    """Remove the folders of jobs that are over, or that nobody knows."""
    for path in (state_dir / "training").glob("ftjob-*"):
        job = jobs.find(path.name)
        kept = FAILED_FOLDER_SECONDS if job is not None and job.status == "failed" else 0
        if job is None or (job.status in FINISHED and time.time() - (job.finished_at or 0) >= kept):
            shutil.rmtree(path, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
