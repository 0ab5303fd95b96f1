"""Watch a fine-tuning job to its end; leaving does not stop it."""

import time
from typing import Any

import typer

from storymill.cli.connection import console
from storymill.cli.tuning_view import TuningView, describe_cost, format_seconds, read_elapsed_seconds
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.tuning import JobFollower

POLL_SECONDS = 0.5


class TuningFailedError(ClientError):
    """The job ended without a model; the text says why."""


def watch_job(api: Api, job_id: str) -> dict[str, Any]:
    """Show a job until it is over or paused, and say how it ended; returns its last state.

    Ctrl-C exits with 130 and leaves the job running. Raises: TuningFailedError when it ends without a model.
    """
    follower = JobFollower(api, job_id)
    try:
        with TuningView(console) as view:
            while True:
                view.show(follower, follower.refresh())
                if follower.is_over or follower.job["status"] == "paused":
                    break
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        console.print(f"The job goes on. Watch it again: storymill fine-tunes watch {job_id}", soft_wrap=True)
        raise typer.Exit(130) from None
    tell_end(follower.job)
    return follower.job


def tell_end(job: dict[str, Any]) -> None:
    """Print how a job ended. Raises: TuningFailedError when it failed."""
    took, status = format_seconds(read_elapsed_seconds(job)), job["status"]
    if status == "failed":
        error = job["error"] or {}
        raise TuningFailedError(f"{job['id']} failed after {took}: {error.get('message')} ({error.get('code')})")
    if status == "paused":
        reason = f" ({job['status_reason']})" if job.get("status_reason") else ""
        console.print(f"paused{reason}. Go on: storymill fine-tunes resume {job['id']}", soft_wrap=True)
        return
    console.print(f"{status} after {took}, {describe_cost(job)}")
    if job["fine_tuned_model"]:
        console.print(f"model: {job['fine_tuned_model']}", markup=False, highlight=False, soft_wrap=True)
