"""`storymill fine-tunes`: the jobs, what they told and measured, and how to steer them."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from storymill.cli.connection import connect
from storymill.cli.fine_tune import build_request
from storymill.cli.job_fields import describe_job
from storymill.cli.next_steps import FIRST_JOB, after_job, after_newest, after_wish
from storymill.cli.options import DEFAULT_STATE_DIR, MOST_LISTED, IdsOption, JsonOption, LimitOption, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_broad, print_list, say, say_command
from storymill.cli.tuning_accuracy import describe_accuracy
from storymill.cli.tuning_curve import draw_curve
from storymill.cli.tuning_picture import draw_picture
from storymill.cli.tuning_series import collect_series
from storymill.cli.tuning_view import CURVE_HEIGHT, WIDEST_CURVE, describe_job_cost, render_event
from storymill.cli.tuning_watch import POLL_SECONDS, watch_job
from storymill.cli.words import describe_state, describe_wish, format_moment
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.tuning import JobFollower

Json = dict[str, Any]

JOBS = "/fine_tuning/jobs"
fine_tunes_app = typer.Typer(help="Fine-tuning jobs: list, show, watch, results, steer.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(fine_tunes_app, name="fine-tunes")


@fine_tunes_app.command("list")
def list_jobs(
    limit: LimitOption = MOST_LISTED,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show the newest jobs, each with its model."""
    with connect(state_dir) as api:
        jobs = list(api.list_all(JOBS, at_most=limit))
    if not print_for_programs(jobs, as_json=as_json, ids=ids):
        print_jobs(jobs)


def print_jobs(jobs: list[Json]) -> None:
    """Print jobs, one a line."""
    columns = make_columns("id", "status", ("from", 2), ("model", 3), ("tokens", 1), "cost", right=("tokens",))
    for job in jobs:
        tokens = f"{job['trained_tokens']:,}" if job["trained_tokens"] else ""
        names = (job["id"], describe_state(job["status"]), job["model"], job["fine_tuned_model"] or "")
        add_row(columns, *names, tokens, describe_job_cost(job))
    print_list(columns, following=after_newest(jobs, after_job, FIRST_JOB))


@fine_tunes_app.command("show")
def show(job_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print what a job is, its checkpoints, and who changed its status and why."""
    with connect(state_dir) as api:
        job = api.get(f"{JOBS}/{job_id}")
        if print_for_programs([job], as_json=as_json):
            return
        print_job(job)
        if accuracy := describe_accuracy(api, job):
            say(accuracy)
        print_checkpoints(api.get(f"{JOBS}/{job_id}/checkpoints")["data"])
        print_changes(api.get(f"{JOBS}/{job_id}/changes")["data"])
        say_command(*after_job(job))


@fine_tunes_app.command("events")
def events(
    job_id: str,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Print what a job told, oldest first."""
    with connect(state_dir) as api:
        follower, patience = JobFollower(api, job_id), Patience(console)
        while True:
            told = patience.ask(follower.refresh)
            if not print_for_programs(told, as_json=as_json):
                for event in told:
                    say(render_event(event))
            if follower.is_over or not follow:
                break
            patience.pause(POLL_SECONDS)
        if not as_json:
            say_command(*after_job(follower.job))


@fine_tunes_app.command("results")
def results(
    job_id: str,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the curves here.")] = False,
    png: Annotated[Path | None, typer.Option(help="Draw them into a picture.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the table to a .csv file.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Print the table of every step as CSV, or draw it. Curves can be drawn while the job runs, too."""
    with connect(state_dir) as api:
        if plot or png is not None:
            draw_results(api, job_id, plot=plot, png=png)
        if output is not None:
            say(f"wrote {output} ({save_results(api, job_id, output):,} bytes)")
        if plot or png is not None or output is not None:
            say_command(*after_job(api.get(f"{JOBS}/{job_id}")))
        else:
            print_results(api, job_id)


@fine_tunes_app.command("watch")
def watch(job_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show a job live, to its end. Ctrl-C leaves it running."""
    with connect(state_dir) as api:
        say_command(*after_job(watch_job(api, job_id, Patience(console))))


@fine_tunes_app.command("cancel")
def cancel(job_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """End a job; its checkpoints are kept."""
    steer(state_dir, job_id, "cancel")


@fine_tunes_app.command("pause")
def pause(job_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Stop training until `resume`."""
    steer(state_dir, job_id, "pause")


@fine_tunes_app.command("resume")
def resume(job_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Go on where a paused job stood."""
    steer(state_dir, job_id, "resume")


@fine_tunes_app.command("retry")
def retry(job_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Run a failed or cancelled job again, as a new one."""
    with connect(state_dir) as api:
        tell_new(api.post(f"{JOBS}/{job_id}/retry"))


@fine_tunes_app.command("clone")
def clone(
    job_id: str,
    model: Annotated[str | None, typer.Option(help="Another model to start from.")] = None,
    suffix: Annotated[str | None, typer.Option(help="Another suffix.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate_multiplier: Annotated[float | None, typer.Option(min=0)] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Start a job like another one, with what is given here changed."""
    hyperparameters = build_request(
        n_epochs=epochs, batch_size=batch_size, learning_rate_multiplier=learning_rate_multiplier
    )
    # Not `method`: that would replace the whole method, and with it what nobody asked to change.
    changed = build_request(model=model, suffix=suffix, seed=seed, hyperparameters=hyperparameters or None)
    with connect(state_dir) as api:
        tell_new(api.post(f"{JOBS}/{job_id}/clone", changed))


def steer(state_dir: Path, job_id: str, verb: str) -> None:
    """Send one control verb and say what the job is or will be."""
    with connect(state_dir) as api:
        job = api.post(f"{JOBS}/{job_id}/{verb}")
        console.print(f"{job_id}: {describe_wish(verb, job['status'])}", highlight=False, soft_wrap=True)
        say_command(*after_wish(verb, "fine-tunes", job_id))


def tell_new(job: Json) -> None:
    """Say which job was made."""
    say(f"job {job['id']}")
    say_command(*after_job(job))


def print_job(job: Json) -> None:
    """Print the fields that say something."""
    table = Table(Column(style="dim", no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
    for name, text in describe_job(job):
        table.add_row(name, Text(text))
    print_broad(table)


def print_checkpoints(checkpoints: list[Json]) -> None:
    """Print the models of single steps, each usable by name."""
    if not checkpoints:
        return
    numbers = ("training loss", "validation loss")
    columns = make_columns("step", "checkpoint", ("training loss", 2), ("validation loss", 1), right=("step", *numbers))
    for checkpoint in sorted(checkpoints, key=lambda one: int(one["step_number"])):
        metrics = checkpoint["metrics"]
        losses = [metrics.get("train_loss"), metrics.get("full_valid_loss") or metrics.get("valid_loss")]
        texts = ["" if loss is None else f"{loss:.4f}" for loss in losses]
        add_row(columns, f"{checkpoint['step_number']:,}", checkpoint["fine_tuned_model_checkpoint"], *texts)
    print_list(columns)


def print_changes(changes: list[Json]) -> None:
    """Print each change of the status with who and why."""
    table = Table(*(Column(name, no_wrap=True) for name in ("when", "status", "by")), "why", box=None, pad_edge=False)
    for change in changes:
        table.add_row(format_moment(change["created_at"]), describe_state(change["to"]), change["by"], change["reason"])
    print_broad(table)


def draw_results(api: Api, job_id: str, *, plot: bool, png: Path | None) -> None:
    """Draw the curves here, into a picture, or both. Raises: ClientError with what is missing for it."""
    follower = JobFollower(api, job_id)
    follower.refresh()
    series = collect_series(follower.metrics)
    if plot:
        print_broad(draw_curve(series, min(WIDEST_CURVE, console.width), CURVE_HEIGHT))
    if png is not None:
        draw_picture(series, follower.job["fine_tuned_model"] or job_id, png)
        say(f"wrote {png} ({png.stat().st_size:,} bytes)")


def save_results(api: Api, job_id: str, target: Path) -> int:
    """Write the result table to `target`; returns its bytes. Raises: ClientError while there is none."""
    files = api.get(f"{JOBS}/{job_id}")["result_files"]
    if not files:
        raise ClientError(f"{job_id} has no results yet; --plot shows what was measured so far.")
    return api.download(f"/files/{files[0]}/content", target)


def print_results(api: Api, job_id: str) -> None:
    """Write the result table to standard output, as it is."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "results.csv"
        save_results(api, job_id, target)
        sys.stdout.write(target.read_text(encoding="utf-8"))
