"""What a sink is, and what it is told. Knows no tracker."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

StepMeasures = dict[str, float]
"""What one step measured: `step`, `time` (Unix seconds), and the columns that were measured."""
NOT_MEASURED = ("step", "time")


@dataclass(frozen=True)
class RunOrder:
    """The run to be opened, or gone on with."""

    job_id: str
    folder: Path
    """Where the tracker may keep files; the operator's."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The integration as the client asked for it: names and tags."""
    config: dict[str, Any] = field(default_factory=dict)
    """What the run is about: model, hyperparameters, files."""
    run_ref: str | None = None
    """What an earlier `open` returned."""
    told_step: int = 0
    """The tracker has everything up to here, surely."""

    @property
    def name(self) -> str:
        """As the client named it, else as the job."""
        return str(self.settings.get("name") or self.job_id)


@dataclass(frozen=True)
class JobEnd:
    """A job that is over, as a tracker is told: its last status, and what stands beside the curves."""

    status: str
    summary: dict[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """A run in a tracker. Any call may raise anything: the run is opened again later, from the last safe step."""

    run_ref: str

    @classmethod
    def open(cls, order: RunOrder) -> Self:
        """Open the run of a job, or go on with it: a job has one run, whatever happened in between."""
        ...

    def write(self, rows: list[StepMeasures]) -> bool:
        """Log rows; say whether they are safe now. False: they are when the run is paused or finished."""
        ...

    def pause(self) -> None:
        """Make everything safe and let go; the job goes on."""
        ...

    def finish(self, outcome: JobEnd) -> None:
        """Make everything safe and end the run."""
        ...


def measured(row: StepMeasures) -> StepMeasures:
    """Return the columns of a row that were measured."""
    return {name: value for name, value in row.items() if name not in NOT_MEASURED}
