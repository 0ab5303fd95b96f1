"""Watch a fine-tuning job to its end; leaving does not stop it."""

from typing import Any

import typer
from rich.console import Console

from storymill.cli.job_fields import describe_error
from storymill.cli.patience import Patience
from storymill.cli.terminal import say, say_command
from storymill.cli.tuning_accuracy import describe_accuracy
from storymill.cli.tuning_view import TuningView, describe_job_cost, read_elapsed_seconds
from storymill.cli.words import describe_reason, describe_state, format_seconds
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.tuning import JobFollower

Json = dict[str, Any]

POLL_SECONDS = 0.5


class TuningFailedError(ClientError):
    """The job ended without a model; the text says why."""


def watch_job(api: Api, job_id: str, patience: Patience) -> dict[str, Any]:
    """Show a job until it is over or paused, and say how it ended; returns its last state.

    Ctrl-C exits with 130 and leaves the job running. Raises: TuningFailedError when it ends without a model.
    """
    follower, target = JobFollower(api, job_id), patience.console
    try:
        with TuningView(target) as view:
            while True:
                view.show(follower, patience.ask(follower.refresh))
                if follower.is_over or follower.job["status"] == "paused":
                    break
                patience.pause(POLL_SECONDS)
    except KeyboardInterrupt:
        say_command("The job goes on. Watch it to its end", f"storymill fine-tunes watch {job_id}", to=target)
        raise typer.Exit(130) from None
    tell_end(follower.job, target)
    accuracy = patience.ask(lambda: describe_accuracy(api, follower.job))
    if accuracy:
        say(accuracy, to=target)
    return follower.job


def tell_end(job: dict[str, Any], to: Console) -> None:
    """Print how a job ended. Raises: TuningFailedError when it failed."""
    took, status = format_seconds(read_elapsed_seconds(job)), job["status"]
    if status == "failed":
        raise TuningFailedError(f"{job['id']} failed after {took}: {describe_error(job['error'] or {})}")
    if status == "paused":
        reason = f" ({describe_reason(job['status_reason'])})" if job.get("status_reason") else ""
        say(f"paused{reason}", to=to)
        return
    say(f"{describe_state(status)} after {took}, {describe_job_cost(job)}", to=to)
    if job["fine_tuned_model"]:
        to.print(f"model: {job['fine_tuned_model']}", markup=False, highlight=False, soft_wrap=True)
