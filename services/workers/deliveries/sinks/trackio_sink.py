"""Trackio: a SQLite file in a folder, or the Space or server that `TRACKIO_SPACE_ID` or `TRACKIO_SERVER_URL` name.
It writes in the background, so rows are safe when the run is finished; after a crash those since then come again."""

import os
from typing import Any, Self

from services.workers.deliveries.sinks.protocol import JobEnd, RunOrder, StepMeasures, measured


class TrackioSink:
    """A run whose name is the job's."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self.run_ref = str(run.name)

    @classmethod
    def open(cls, order: RunOrder) -> Self:
        """Open the run, or go on with it."""
        order.folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TRACKIO_DIR", str(order.folder))
        import trackio  # noqa: PLC0415 - it reads its folder when it is imported

        name = f"{order.name}-{order.job_id}" if order.name != order.job_id else order.job_id
        run = trackio.init(
            project=order.settings.get("project") or "storymill",
            name=name,
            resume="allow",
            config=order.config,
            embed=False,
            auto_log_gpu=False,
        )
        return cls(run)

    def write(self, rows: list[StepMeasures]) -> bool:
        """Hand rows to Trackio's thread."""
        for row in rows:
            self._run.log(measured(row), step=int(row["step"]))
        return False

    def pause(self) -> None:
        """Write what is left; a later open goes on with the run."""
        self._run.finish()

    def finish(self, outcome: JobEnd) -> None:
        """End the run."""
        self._run.finish()
