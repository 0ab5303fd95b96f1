"""The folder of a job: its own links to the data and the parent adapter, so that deleting those harms no job."""

import os
import shutil
from pathlib import Path


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
        """Link what the job will read. Raises OSError."""
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


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
