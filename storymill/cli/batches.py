"""`storymill batches`: files of requests in OpenAI's form, answered at volume; watched and cancelled."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import FIRST_BATCH, after_batch, after_newest
from storymill.cli.options import DEFAULT_STATE_DIR, MOST_LISTED, IdsOption, JsonOption, LimitOption, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import count_of, describe_state, format_moment
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.statuses import BATCH_FINAL

POLL_SECONDS: Final = 1.0
WINDOW: Final = "24h"
MOST_ERRORS: Final = 20
"""Of a refused file; `--json` shows all that are told."""

OutputOption = Annotated[Path | None, typer.Option(help="At the end write the answers to this file.")]
ErrorsOption = Annotated[Path | None, typer.Option(help="At the end write the failed requests to this file.")]

batches_app = typer.Typer(help="Batches: OpenAI's files of requests.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(batches_app, name="batches")


@batches_app.command("create")
def create(
    file: Annotated[str, typer.Argument(help="A .jsonl file of requests, or the id of an uploaded one.")],
    endpoint: Annotated[str, typer.Option(help="Where all of them go.")] = "/v1/chat/completions",
    metadata: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, to be kept with the batch.")] = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Have a file of requests answered within 24 hours."""
    named = dict(read_pair(pair) for pair in metadata or ())
    path = Path(file)
    with connect(state_dir) as api:
        file_id = api.upload("/files", path, purpose="batch")["id"] if path.is_file() else file
        body = {"input_file_id": file_id, "endpoint": endpoint, "completion_window": WINDOW}
        batch = api.post("/batches", {**body, **({"metadata": named} if named else {})})
    if not print_for_programs([batch], as_json=as_json):
        say(f"batch {batch['id']}: {describe_state(batch['status'])}")
        say_command(*after_batch(batch))


def read_pair(pair: str) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`. Raises: ClientError for what is none."""
    name, separator, value = pair.partition("=")
    if not (separator and name):
        raise ClientError(f"--metadata {pair}: give it as NAME=VALUE.")
    return name, value


@batches_app.command("list")
def list_batches(
    limit: LimitOption = MOST_LISTED,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show the newest batches."""
    with connect(state_dir) as api:
        batches = list(api.list_all("/batches", at_most=limit))
    if print_for_programs(batches, as_json=as_json, ids=ids):
        return
    numbers = ("answered", "failed", "total")
    columns = make_columns("id", "status", ("model", 2), "answered", "failed", "total", ("created", 1), right=numbers)
    for batch in batches:
        counts = batch["request_counts"]
        sizes = (f"{counts[name]:,}" for name in ("completed", "failed", "total"))
        names = (batch["id"], describe_state(batch["status"]), batch["model"] or "")
        add_row(columns, *names, *sizes, format_moment(batch["created_at"]))
    print_list(columns, following=after_newest(batches, after_batch, FIRST_BATCH))


@batches_app.command("show")
def show(batch_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print how a batch stands, without waiting for its end."""
    with connect(state_dir) as api:
        batch = api.get(f"/batches/{batch_id}")
    if not print_for_programs([batch], as_json=as_json):
        say(f"batch {batch_id}: {describe_batch(batch)}")
        tell_errors(batch)
        say_command(*after_batch(batch))


@batches_app.command("cancel")
def cancel(batch_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Make no new call; what is answered is kept."""
    with connect(state_dir) as api:
        batch = api.post(f"/batches/{batch_id}/cancel")
    if not print_for_programs([batch], as_json=as_json):
        say(f"{batch_id}: {'cancelled' if batch['status'] == 'cancelled' else 'is being cancelled'}")
        say_command("See what is answered", f"storymill batches watch {batch_id} --output answers.jsonl")


@batches_app.command("watch")
def watch(
    batch_id: str,
    output: OutputOption = None,
    errors: ErrorsOption = None,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Follow a batch to its end. Exits 1 when it did not complete."""
    with connect(state_dir) as api:
        try:
            batch = follow_batch(api, batch_id, Patience(console), quiet=as_json)
        except KeyboardInterrupt:
            say_command("The batch goes on. Watch it to its end", f"storymill batches watch {batch_id}")
            raise typer.Exit(130) from None
        if not print_for_programs([batch], as_json=as_json):
            say(f"batch {batch_id}: {describe_batch(batch)}")
            tell_errors(batch)
        for name, target in (("output_file_id", output), ("error_file_id", errors)):
            save_file(api, batch[name], target, quiet=as_json)
        if not as_json:
            say_command(*(FIRST_BATCH if output else after_batch(batch)))
    if batch["status"] != "completed":
        raise typer.Exit(1)


def follow_batch(api: Api, batch_id: str, patience: Patience, *, quiet: bool) -> dict[str, Any]:
    """Say how far a batch is whenever that changes; return it when it is over."""
    told = ""
    while True:
        batch = patience.ask(lambda: api.get(f"/batches/{batch_id}"))
        if batch["status"] in BATCH_FINAL:
            return batch
        line = describe_batch(batch)
        if line != told and not quiet:
            say(line, to=patience.console)
        told = line
        patience.pause(POLL_SECONDS)


def save_file(api: Api, file_id: str | None, target: Path | None, *, quiet: bool) -> None:
    """Write a file of the batch to `target`, if both are there."""
    if target is None or file_id is None:
        return
    size = api.download(f"/files/{file_id}/content", target)
    if not quiet:
        say(f"wrote {target} ({size:,} bytes)")


def describe_batch(batch: dict[str, Any]) -> str:
    """Return state and counts as one line."""
    counts, state = batch["request_counts"], describe_state(batch["status"])
    if not counts["total"]:
        return state
    left = counts["total"] - counts["completed"] - counts["failed"]
    said = f"{state}: {counts['completed']:,} of {count_of(counts['total'], 'request')} answered"
    failed = f", {counts['failed']:,} failed" if counts["failed"] else ""
    return said + failed + (f", {left:,} never asked" if left and batch["status"] in BATCH_FINAL else "")


def tell_errors(batch: dict[str, Any]) -> None:
    """Say why a file was refused."""
    found = (batch["errors"] or {}).get("data") or []
    for error in found[:MOST_ERRORS]:
        where = f"line {error['line']}: " if error.get("line") else ""
        say(f"{where}{error['message']} ({error['code']})")
    if len(found) > MOST_ERRORS:
        say(f"… and {len(found) - MOST_ERRORS} more: storymill batches show {batch['id']} --json")
