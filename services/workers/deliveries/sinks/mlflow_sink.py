"""MLflow, at `MLFLOW_TRACKING_URI` or in a folder. A log call answers when the server has the rows, and the server
takes the same point (key, time, step, value) twice as one."""

import os
from typing import Any, Self

from services.workers.deliveries.sinks.protocol import JobEnd, RunOrder, StepMeasures, measured

# We own the retries; a server that is away should say so soon. Folders are all that a single machine needs.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

JOB_TAG = "storymill.job"
BATCH_METRICS = 1000
"""The protocol's limit."""
LONGEST_VALUE = 500
ENDS = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}


class MlflowSink:
    """A run that is known by a tag with the job's id."""

    def __init__(self, client: MlflowClient, run_ref: str) -> None:
        self._client = client
        self.run_ref = run_ref

    @classmethod
    def open(cls, order: RunOrder) -> Self:
        """Find the job's run, or make it."""
        client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or order.folder.absolute().as_uri())
        experiment = find_experiment(client, order.settings.get("experiment") or "storymill")
        run_ref = find_run(client, experiment, order)
        if run_ref is None:
            tags = {JOB_TAG: order.job_id, "mlflow.source.name": "storymill"}
            run_ref = client.create_run(experiment, run_name=order.name, tags=tags).info.run_id
        else:
            client.update_run(run_ref, status="RUNNING")
        wanted = [RunTag(str(tag), "") for tag in order.settings.get("tags") or []]
        client.log_batch(run_ref, params=make_params(order.config), tags=wanted)
        return cls(client, run_ref)

    def write(self, rows: list[StepMeasures]) -> bool:
        """Log rows."""
        metrics = [
            Metric(name, value, int(row["time"] * 1000), int(row["step"]))
            for row in rows
            for name, value in measured(row).items()
        ]
        for start in range(0, len(metrics), BATCH_METRICS):
            self._client.log_batch(self.run_ref, metrics=metrics[start : start + BATCH_METRICS])
        return True

    def pause(self) -> None:
        """Everything is safe already."""

    def finish(self, outcome: JobEnd) -> None:
        """End the run."""
        tags = [RunTag(f"storymill.{name}", str(value)) for name, value in outcome.summary.items()]
        self._client.log_batch(self.run_ref, tags=tags)
        self._client.set_terminated(self.run_ref, ENDS.get(outcome.status, "FAILED"))


def find_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, made now if there is none."""
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def find_run(client: MlflowClient, experiment: str, order: RunOrder) -> str | None:
    """Return the run that an earlier try made for the job. The tag finds the one whose maker died before telling."""
    if order.run_ref is not None:
        try:
            return str(client.get_run(order.run_ref).info.run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    found = client.search_runs([experiment], filter_string=f"tags.`{JOB_TAG}` = '{order.job_id}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def make_params(config: dict[str, Any]) -> list[Param]:
    """Return a run's parameters; they cannot change, so they are the same at each open."""
    return [Param(name, str(value)[:LONGEST_VALUE]) for name, value in config.items() if value is not None]
