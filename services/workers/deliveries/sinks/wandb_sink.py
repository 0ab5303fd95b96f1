"""Weights & Biases. Without a key it writes offline runs, which `wandb sync` uploads later.

Its background process tells nobody what it has written, so rows are safe only when the run is finished; after a crash
the rows since then are logged again. They are plotted over `step`, where the same point twice is one point."""

import os
from typing import Any, Self

import wandb

from services.workers.deliveries.sinks.protocol import JobEnd, RunOrder, StepMeasures, measured

INIT_SECONDS = 30


class WandbSink:
    """A run whose id is the job's: going on with it is the same run."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self.run_ref = str(run.id)

    @classmethod
    def open(cls, order: RunOrder) -> Self:
        """Open the run, or a further part of it."""
        order.folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            id=order.job_id,
            resume="allow",
            project=order.settings.get("project") or os.environ.get("WANDB_PROJECT") or "storymill",
            entity=order.settings.get("entity") or None,
            name=order.name,
            tags=order.settings.get("tags") or None,
            config=order.config,
            dir=str(order.folder),
            settings=make_settings(),
        )
        run.define_metric("*", step_metric="step")
        return cls(run)

    def write(self, rows: list[StepMeasures]) -> bool:
        """Hand rows to W&B's process."""
        for row in rows:
            self._run.log({"step": row["step"], **measured(row)})
        return False

    def pause(self) -> None:
        """W&B has no pause: the run is finished, and resumed when it is opened again."""
        self._run.finish()

    def finish(self, outcome: JobEnd) -> None:
        """End the run; a job that did not succeed shows as failed."""
        self._run.summary.update({"status": outcome.status, **outcome.summary})
        self._run.finish(exit_code=0 if outcome.status == "succeeded" else 1)


def make_settings() -> wandb.Settings:
    """Return settings that keep this machine's code, console and hardware out of the run."""
    mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    return wandb.Settings(
        mode=mode,
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        save_code=False,
        disable_job_creation=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        init_timeout=INIT_SECONDS,
        program="storymill",
    )
