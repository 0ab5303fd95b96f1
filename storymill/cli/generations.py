"""`storymill generations`: volume runs, watched and steered."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from storymill.cli.connection import connect
from storymill.cli.next_steps import FIRST_RUN, after_delete, after_newest, after_run, after_wish
from storymill.cli.options import DEFAULT_STATE_DIR, MOST_LISTED, IdsOption, JsonOption, LimitOption, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.progress import done_rows, follow_generation
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import (
    count_of,
    describe_cost,
    describe_reason,
    describe_state,
    describe_wish,
    format_moment,
    format_usd,
    list_of,
)
from storymill.client.errors import ClientError
from storymill.client.rest import Api

EXPORT_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".xlsx": "xlsx"}

generations_app = typer.Typer(help="Volume runs: list, watch, steer, retry, export, delete.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(generations_app, name="generations")


@generations_app.command("list")
def list_generations(
    limit: LimitOption = MOST_LISTED,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show the newest runs."""
    with connect(state_dir) as api:
        runs = list(api.list_all("/generations", at_most=limit))
    if not print_for_programs(runs, as_json=as_json, ids=ids):
        print_runs(runs)


def print_runs(runs: list[dict[str, Any]]) -> None:
    """Print runs, one a line."""
    numbers = ("done", "failed", "total", "tokens", "cost")
    columns = make_columns("id", "status", "done", ("failed", 2), "total", ("tokens", 1), "cost", right=numbers)
    for run in runs:
        counts, usage = run["counts"], run["usage"]
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        sizes = (done_rows(run), counts["failed"], counts["total"], tokens)
        names = (run["id"], describe_state(run["status"]))
        add_row(columns, *names, *(f"{size:,}" for size in sizes), format_usd(run.get("cost_usd")))
    print_list(columns, following=after_newest(runs, after_run, FIRST_RUN))


@generations_app.command("show")
def show(generation_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print how a run stands, without waiting for its end."""
    with connect(state_dir) as api:
        generation = api.get(f"/generations/{generation_id}")
    if not print_for_programs([generation], as_json=as_json):
        say(f"generation {generation_id}: {describe_run(generation)}")
        tell_reason(generation)
        say_command(*after_run(generation))


@generations_app.command("watch")
def watch(
    generation_id: str,
    export: Annotated[
        Path | None, typer.Option(help="At the end write a .csv, .jsonl, .parquet or .xlsx file.")
    ] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Follow a run to its end."""
    with connect(state_dir) as api:
        export_format(export)
        say_command(*after_run(watch_to_end(api, generation_id, export, Patience(console))))


@generations_app.command("pause")
def pause(generation_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Make no new calls until `resume`."""
    steer(state_dir, generation_id, "pause")


@generations_app.command("resume")
def resume(generation_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Go on with a paused run."""
    steer(state_dir, generation_id, "resume")


@generations_app.command("cancel")
def cancel(generation_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """End a run; finished stories are kept."""
    steer(state_dir, generation_id, "cancel")


@generations_app.command("delete")
def delete(generation_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Delete a run that is over, with its stories; one that a dataset was made from stays."""
    with connect(state_dir) as api:
        api.delete(f"/generations/{generation_id}")
    say(f"deleted {generation_id}")
    say_command(*after_delete("generations"))


@generations_app.command("retry")
def retry(
    generation_id: str,
    failure_class: Annotated[str | None, typer.Option(help="Only those that failed in this way.")] = None,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Those for which no text kept the recipe's rules, with all tries again.")
    ] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Write failed stories again, in the same run, or rejected ones."""
    with connect(state_dir) as api:
        chosen = {"failure_class": failure_class} if failure_class else {}
        chosen |= {"status": "rejected"} if rejected else {}
        generation = api.post(f"/generations/{generation_id}/retry", chosen)
        left = count_of(generation["counts"]["queued"], "story")
        say(f"{generation_id}: {describe_state(generation['status'])}, {left} to write")
        say_command(*after_run(generation))


@generations_app.command("update")
def update(
    generation_id: str,
    max_tokens: Annotated[int | None, typer.Option(help="The most tokens of a story.")] = None,
    temperature: Annotated[float | None, typer.Option(help="How freely the model writes.")] = None,
    top_p: Annotated[float | None, typer.Option(help="From which part of the likely tokens it chooses.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any parameter, NAME=VALUE; VALUE may be JSON.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(help="A parameter to leave out from now on.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Change parameters of a paused run, as when its recipe was refused; resume it afterwards."""
    named = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p}
    changes = {name: value for name, value in named.items() if value is not None}
    changes |= dict(read_setting(setting) for setting in set_ or ()) | dict.fromkeys(unset or ())
    if not changes:
        raise ClientError("Say what to change: --max-tokens, --temperature, --top-p, --set NAME=VALUE or --unset NAME.")
    with connect(state_dir) as api:
        api.patch(f"/generations/{generation_id}", {"parameters": changes})
    say(f"{generation_id}: changed {list_of(sorted(changes))}")
    say_command("Go on", f"storymill generations resume {generation_id}")


def read_setting(setting: str) -> tuple[str, Any]:
    """Return name and value of `NAME=VALUE`. Raises: ClientError for what is none."""
    name, separator, value = setting.partition("=")
    if not (separator and name.strip()):
        raise ClientError(f"--set {setting}: give it as NAME=VALUE, as in --set max_tokens=200.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


@generations_app.command("export")
def export_command(
    generation_id: str,
    target: Annotated[Path, typer.Argument(help="A .csv, .jsonl, .parquet or .xlsx file.")],
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Write the accepted stories of a run to a file."""
    with connect(state_dir) as api:
        export_generation(api, generation_id, target)
    say_command("Next", f"storymill datasets prepare {shlex.quote(str(target))}")


def steer(state_dir: Path, generation_id: str, verb: str) -> None:
    """Send one control verb and say what the run is or will be."""
    with connect(state_dir) as api:
        generation = api.post(f"/generations/{generation_id}/{verb}")
        console.print(f"{generation_id}: {describe_wish(verb, generation['status'])}", highlight=False, soft_wrap=True)
        say_command(*after_wish(verb, "generations", generation_id))


def watch_to_end(api: Api, generation_id: str, export: Path | None, patience: Patience) -> dict[str, Any]:
    """Follow a run, say how it ended, export it if asked. Exits 1 when it did not succeed."""
    target = patience.console
    with leaving_it_at_work(generation_id, export, target):
        generation = follow_generation(api, generation_id, patience)
    say(describe_run(generation), to=target)
    tell_reason(generation, target)
    if generation["counts"]["failed"]:
        say_command("Try the failed ones again", f"storymill generations retry {generation_id}", to=target)
    if generation["counts"]["rejected"]:
        say_command("Try the rejected ones again", f"storymill generations retry {generation_id} --rejected", to=target)
    if export is not None:
        patience.ask(lambda: export_generation(api, generation_id, export))
    if generation["status"] != "succeeded":
        raise typer.Exit(1)
    return generation


@contextmanager
def leaving_it_at_work(generation_id: str, export: Path | None, target: Console) -> Iterator[None]:
    """Ctrl-C in the block leaves the run at work, and says how to watch it. Exits 130 then."""
    try:
        yield
    except KeyboardInterrupt:
        collecting = f" --export {shlex.quote(str(export))}" if export else ""
        command = f"storymill generations watch {generation_id}{collecting}"
        say_command("The run goes on. Watch it to its end", command, to=target)
        raise typer.Exit(130) from None


def describe_run(generation: dict[str, Any]) -> str:
    """Return state, counts and cost as one line."""
    counts, state = generation["counts"], describe_state(generation["status"])
    open_rows = counts["total"] - done_rows(generation)
    left = f", {open_rows:,} to write" if open_rows else ""
    rejected = f", {counts['rejected']:,} rejected" if counts["rejected"] else ""
    done = f"{counts['succeeded']:,} written, {counts['failed']:,} failed{rejected}{left}"
    return f"{state}: {done}, {describe_cost(generation.get('cost_usd'))}"


def tell_reason(generation: dict[str, Any], to: Console = console) -> None:
    """Say why a run is in its state, and when it goes on."""
    if generation.get("status_reason"):
        say(f"reason: {describe_reason(generation['status_reason'])}", to=to)
    if generation.get("resumes_at"):
        say(f"goes on by itself at {format_moment(generation['resumes_at'])}", to=to)


def export_generation(api: Api, generation_id: str, target: Path) -> None:
    """Write the stories of a run to `target`. Raises: ClientError when the mill has no such run."""
    size = api.download(f"/generations/{generation_id}/export", target, format=export_format(target))
    say(f"wrote {target} ({size:,} bytes)")


def export_format(target: Path | None) -> str | None:
    """Return the format that a file name asks for. Raises: ClientError for an unknown one, and for a folder that is
    not there: better before the run than after it."""
    if target is None:
        return None
    if not target.absolute().parent.is_dir():
        raise ClientError(f"{target}: there is no folder {target.parent}.")
    try:
        return EXPORT_FORMATS[target.suffix.lower()]
    except KeyError as error:
        known = ", ".join(EXPORT_FORMATS)
        raise ClientError(f"{target}: cannot tell the format; the name must end in {known}.") from error
