"""`storymill datasets`: turn stories and files into training files, and look at what came of it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from storymill.cli.column_choice import choose_columns, write_chosen
from storymill.cli.connection import connect
from storymill.cli.dataset_files import find_free_path, keep_copies, prepare_here
from storymill.cli.model_facts import describe_template
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.progress import follow_dataset
from storymill.cli.terminal import add_row, console, make_columns, print_list, say, say_command
from storymill.cli.words import count_of, describe_cost, describe_state, list_of
from storymill.client.errors import ClientError, UnreachableError
from storymill.client.rest import Api
from storymill.launcher.errors import LauncherError

GENERATION_PREFIX = "gen_"
GENERATION_SHARE = 0.1
PREFERENCE = "preference"
SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}

datasets_app = typer.Typer(help="Datasets: prepare, list, show, cancel, delete, report, export.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(datasets_app, name="datasets")


@datasets_app.command("prepare")
def prepare(
    source: Annotated[str, typer.Argument(help="A file (csv, tsv, xlsx, txt, json, jsonl, parquet) or a run: gen_…")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Ask nothing; without a mill it asks.")] = False,
    target: Annotated[
        str | None, typer.Option("--format", help="completion, chat, or preference (of a run's reviews).")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="On this machine, even while a mill is running.")] = False,
    validation_share: Annotated[
        float | None, typer.Option(min=0.0, max=0.5, help="Hold out this share (of a run: 0.1).")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Whose tokens are counted and whose limit applies.")] = None,
    prompt_column: Annotated[
        str | None, typer.Option(help="Of a table: the prompt, or several columns with commas between.")
    ] = None,
    completion_column: Annotated[str | None, typer.Option(help="Of a table: the completion.")] = None,
    apply: Annotated[list[str] | None, typer.Option(help="Fix this finding too (again and again, or `all`).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the split.")] = None,
    stratify: Annotated[str | None, typer.Option(help="Hold out the same share of every value of this column.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message for rows that become chat.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Check rows, mend them, and write training files. A file needs no running mill; its source is never changed."""
    options = {
        "format": target,
        "validation_share": validation_share,
        "model": model,
        "apply": apply or None,
        "seed": seed,
        "stratify": stratify,
        "system": system,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if source.startswith(GENERATION_PREFIX):
        if prompt_column or completion_column:
            raise ClientError("Columns are chosen of a file; a run has its attributes and its stories.")
        with connect(state_dir) as api:
            tell_next(prepare_there(api, {"generation": source}, {"validation_share": GENERATION_SHARE, **given}))
        return
    path = Path(source)
    if not path.is_file():
        raise ClientError(f"There is no file {path}. (A run's id begins with {GENERATION_PREFIX}.)")
    is_here = local or not is_mill_there(state_dir)
    if is_here and target == PREFERENCE:
        raise ClientError("Preference pairs are prepared by a running mill: start it with `storymill up`.")
    path = name_columns(path, prompt_column, completion_column)
    if is_here:
        raise typer.Exit(prepare_here(path, given, quiet=quiet))
    with connect(state_dir) as api:
        tell_next(prepare_file_there(api, path, {"validation_share": 0.0, **given}))


def name_columns(path: Path, prompt: str | None, completion: str | None) -> Path:
    """Return the file, or one beside it with the chosen columns under the names that are read. Raises: ClientError when
    there are no such columns."""
    chosen = choose_columns(path, prompt, completion)
    if chosen is None:
        return path
    target = find_free_path(path, "_rows")
    rows = write_chosen(path, *chosen, target)
    say(
        f"{path.name}: the prompt is {list_of(chosen[0])}, the completion {chosen[1]}. "
        f"Wrote {count_of(rows, 'row')} of these to {target}."
    )
    return target


def tell_next(dataset: dict[str, Any]) -> None:
    """Say what a prepared dataset is for."""
    say_command("Next", f"storymill fine-tune {dataset['id']} --model text-davinci-003 --suffix NAME")


@datasets_app.command("list")
def list_datasets(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show the newest datasets."""
    numbers = ("rows", "held out", "findings")
    columns = make_columns("id", "status", ("format", 2), "rows", ("held out", 3), ("findings", 1), right=numbers)
    with connect(state_dir) as api:
        for dataset in api.list_all("/datasets", at_most=50):
            counts, findings = dataset["counts"] or {}, dataset["findings"]
            sizes = (counts.get("train"), counts.get("validation"), None if findings is None else len(findings))
            names = (dataset["id"], describe_state(dataset["status"]), dataset["format"] or "")
            add_row(columns, *names, *("" if size is None else f"{size:,}" for size in sizes))
    print_list(columns)


@datasets_app.command("show")
def show(dataset_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print what a dataset holds and what was found in it."""
    with connect(state_dir) as api:
        print_dataset(api.get(f"/datasets/{dataset_id}"))


@datasets_app.command("cancel")
def cancel(dataset_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """End a preparation, whether it waits or is under way."""
    with connect(state_dir) as api:
        print_dataset(api.post(f"/datasets/{dataset_id}/cancel", {}))


@datasets_app.command("delete")
def delete(dataset_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Delete a dataset with its rows and files; one that a model learned from stays."""
    with connect(state_dir) as api:
        api.delete(f"/datasets/{dataset_id}")
    console.print(f"deleted {dataset_id}", markup=False)


@datasets_app.command("report")
def report(
    dataset_id: str,
    page: Annotated[Path | None, typer.Option(help="Write the page with plots here, in place of JSON.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Print the report as JSON, or write it as an HTML page."""
    with connect(state_dir) as api:
        if page is None:
            console.print_json(data=api.get(f"/datasets/{dataset_id}/report"))
            return
        size = api.download(f"/datasets/{dataset_id}/report", page, format="html")
        console.print(f"wrote {page} ({size:,} bytes)")


@datasets_app.command("export")
def export(
    dataset_id: str,
    target: Annotated[Path, typer.Argument(help="A .jsonl file.")],
    split: Annotated[str, typer.Option(help="train or validation.")] = "train",
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Write the training or the validation rows to a file."""
    with connect(state_dir) as api:
        save_side(api, dataset_id, split, target)


def is_mill_there(state_dir: Path) -> bool:
    """Say whether a mill answers."""
    try:
        with connect(state_dir) as api:
            api.get("/datasets", limit=1)
    except (LauncherError, UnreachableError):
        return False
    return True


def prepare_file_there(api: Api, path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Upload a file, have it prepared, and write the result beside it. Returns the dataset."""
    file_id = api.upload("/files", path, purpose="fine-tune")["id"]
    try:
        dataset = prepare_there(api, {"file": file_id}, options)
    except DatasetFailedError as error:
        keep_copies(api, error.dataset["error"], path, console)
        raise
    has_validation = dataset["files"]["validation"] is not None
    endings = {"train": "_train", "validation": "_valid"} if has_validation else {"train": ""}
    for split, ending in endings.items():
        save_side(api, dataset["id"], split, find_free_path(path, f"_prepared{ending}"))
    return dataset


class DatasetFailedError(ClientError):
    """The rows cannot be used; the message says why."""

    def __init__(self, dataset: dict[str, Any]) -> None:
        super().__init__(f"{dataset['error']['message']} ({dataset['error']['code']}, dataset {dataset['id']})")
        self.dataset = dataset


def prepare_there(api: Api, source: dict[str, str], options: dict[str, Any]) -> dict[str, Any]:
    """Have the mill prepare a source, and show what came of it. Raises: DatasetFailedError when it could not be
    prepared."""
    ordered = api.post("/datasets", {"sources": [source], **options})
    dataset = follow_dataset(api, ordered["id"], console)
    if dataset["status"] == "failed":
        raise DatasetFailedError(dataset)
    if dataset["status"] == "cancelled":
        raise ClientError(f"The dataset {dataset['id']} was cancelled.")
    print_dataset(dataset)
    return dataset


def save_side(api: Api, dataset_id: str, split: str, target: Path) -> None:
    """Write one side of a dataset to `target`. Raises: ClientError when the mill does not give it."""
    size = api.download(f"/datasets/{dataset_id}/export", target, split=split)
    console.print(f"wrote {target} ({size:,} bytes)", markup=False)


def print_dataset(dataset: dict[str, Any]) -> None:
    """Print a dataset: state, counts, template, files, findings."""
    console.print(f"dataset {dataset['id']}: {dataset['status']}", style="bold")
    if dataset["error"]:
        console.print(dataset["error"]["message"], style="red", markup=False)
    if not dataset["counts"]:
        return
    counts, cost = dataset["counts"], dataset["cost_usd"]
    say(f"rows: {describe_counts(counts)}")
    missed = describe_missed_share(counts, dataset["options"].get("validation_share"))
    if missed:
        say(missed, style="yellow")
    say(f"format: {dataset['template']['format']}, {describe_template(dataset['template'])}")
    say(f"version {dataset['version']}, {describe_cost(cost)}")
    if dataset["cost_note"]:
        say(dataset["cost_note"], style="yellow")
    say(f"files: {', '.join(f'{name} {file_id}' for name, file_id in dataset['files'].items() if file_id)}")
    say(f"fixes: {', '.join(name.replace('_', ' ') for name in dataset['fixes']) or 'none'}")
    print_findings(dataset["findings"])


def describe_counts(counts: dict[str, int]) -> str:
    """Return how many rows were read, kept, and stand on either side."""
    read, kept = counts.get("rows", 0), counts.get("kept", 0)
    dropped = f" ({count_of(read - kept, 'row')} left out)" if kept < read else ""
    return f"{kept:,} of {read:,}{dropped}: {counts['train']:,} to train on, {counts['validation']:,} held out"


def describe_missed_share(counts: dict[str, int], share: float | None) -> str | None:
    """Return why less or more was held out than asked for; None where it is about so much."""
    kept, held = counts.get("kept", 0), counts["validation"]
    if not share:
        return None if held else "Nothing is held out to measure on: --validation-share 0.1 keeps a tenth apart."
    if not kept or abs(held - share * kept) <= max(1.0, share * kept / 2):
        return None
    return (
        f"{held / kept:.0%} are held out where {share:.0%} were asked for: rows of one prompt, and rows that are "
        "nearly alike, stay on one side."
    )


def print_findings(findings: list[dict[str, Any]]) -> None:
    """Print what was found, the gravest first."""
    if not findings:
        console.print("no findings", style="green")
        return
    table = Table("", "finding", "rows", "why", "fix")
    for finding in findings:
        style = SEVERITY_STYLES[finding["severity"]]
        severity = f"[{style}]{finding['severity']}[/{style}]"
        fix = (finding["fix"] or "").replace("_", " ")
        table.add_row(severity, finding["code"], str(finding["count"] or "all"), finding["reason"], fix)
    console.print(table)
