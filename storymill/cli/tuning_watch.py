"""Watch a fine-tuning job to its end; leaving does not stop it."""

import time
from typing import Any

import typer

from storymill.cli.job_fields import describe_error
from storymill.cli.patience import Patience
from storymill.cli.terminal import console, say, say_command
from storymill.cli.tuning_view import TuningView, describe_job_cost, read_elapsed_seconds
from storymill.cli.words import count_of, format_seconds
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.tuning import JobFollower

Json = dict[str, Any]

POLL_SECONDS = 0.5


class TuningFailedError(ClientError):
    """The job ended without a model; the text says why."""


def watch_job(api: Api, job_id: str) -> dict[str, Any]:
    """Show a job until it is over or paused, and say how it ended; returns its last state.

    Ctrl-C exits with 130 and leaves the job running. Raises: TuningFailedError when it ends without a model.
    """
    follower, patience = JobFollower(api, job_id), Patience(console)
    try:
        with TuningView(console) as view:
            while True:
                view.show(follower, patience.ask(follower.refresh))
                if follower.is_over or follower.job["status"] == "paused":
                    break
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        say_command("The job goes on. Watch it to its end", f"storymill fine-tunes watch {job_id}")
        raise typer.Exit(130) from None
    tell_end(follower.job)
    patience.ask(lambda: tell_accuracy(api, follower.job))
    return follower.job


def tell_end(job: dict[str, Any]) -> None:
    """Print how a job ended. Raises: TuningFailedError when it failed."""
    took, status = format_seconds(read_elapsed_seconds(job)), job["status"]
    if status == "failed":
        raise TuningFailedError(f"{job['id']} failed after {took}: {describe_error(job['error'] or {})}")
    if status == "paused":
        reason = f" ({job['status_reason']})" if job.get("status_reason") else ""
        say_command(f"paused{reason}. Go on", f"storymill fine-tunes resume {job['id']}")
        return
    console.print(f"{status} after {took}, {describe_job_cost(job)}", highlight=False)
    if job["fine_tuned_model"]:
        console.print(f"model: {job['fine_tuned_model']}", markup=False, highlight=False, soft_wrap=True)


def tell_accuracy(api: Api, job: Json) -> None:
    """Print how far the estimate was off, once a job has its model."""
    estimate = job.get("estimate")
    if job["status"] != "succeeded" or not estimate or not job["trained_tokens"]:
        return
    expected, trained = estimate["billed_tokens"], job["trained_tokens"]
    parts = [f"{count_of(trained, 'token')} trained of {expected:,} estimated ({describe_gap(trained, expected)})"]
    took = find_training_seconds(api, job)
    if took is not None and estimate.get("seconds"):
        gap = describe_gap(took, estimate["seconds"])
        parts.append(f"{format_seconds(took)} for {format_seconds(estimate['seconds'])} ({gap})")
    say(" · ".join(parts))


def tell_next(job: Json) -> None:
    """Say what a new model is for: a name that stays leads to it. A job that began at such a name goes on with it."""
    if not job["fine_tuned_model"]:
        return
    alias = job["model"] if "@" in job["model"] else f"{job.get('suffix') or 'NAME'}@prod"
    say_command("Next", f"storymill models promote {alias} {job['fine_tuned_model']}")


def describe_gap(found: float, expected: float) -> str:
    """Return `as expected`, `12 % more`, `3 % less`."""
    share = round(100 * (found - expected) / expected) if expected else 0
    return f"{abs(share)} % {'more' if share > 0 else 'less'}" if share else "as expected"


def find_training_seconds(api: Api, job: Json) -> float | None:
    """Return how long the provider trained: from the first `running` to the end."""
    changes = api.get(f"/fine_tuning/jobs/{job['id']}/changes")["data"]
    began = next((change["created_at"] for change in changes if change["to"] == "running"), None)
    return None if began is None or job["finished_at"] is None else float(job["finished_at"] - began)
