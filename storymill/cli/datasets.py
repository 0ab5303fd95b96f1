"""`storymill datasets`: turn stories and files into training files, and look at what came of it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from storymill.cli.connection import connect, console
from storymill.cli.dataset_files import find_free_path, keep_copies, prepare_here
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.progress import follow_dataset
from storymill.client.errors import ClientError, UnreachableError
from storymill.client.rest import Api
from storymill.launcher.errors import LauncherError

GENERATION_PREFIX = "gen_"
GENERATION_SHARE = 0.1
PREFERENCE = "preference"
SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}

datasets_app = typer.Typer(help="Datasets: prepare, list, show, cancel, report, export.", no_args_is_help=True)


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
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Check rows, mend them, and write training files. A file needs no running mill; its source is never changed."""
    options = {"format": target, "validation_share": validation_share, "model": model}
    given = {name: value for name, value in options.items() if value is not None}
    if source.startswith(GENERATION_PREFIX):
        with connect(state_dir) as api:
            prepare_there(api, {"generation": source}, {"validation_share": GENERATION_SHARE, **given})
        return
    path = Path(source)
    if not path.is_file():
        raise ClientError(f"There is no file {path}. (A run's id begins with {GENERATION_PREFIX}.)")
    if local or not is_mill_there(state_dir):
        if target == PREFERENCE:
            raise ClientError("Preference pairs are prepared by a running mill: start it with `storymill up`.")
        raise typer.Exit(prepare_here(path, given, quiet=quiet))
    with connect(state_dir) as api:
        prepare_file_there(api, path, {"validation_share": 0.0, **given})


@datasets_app.command("list")
def list_datasets(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show the newest datasets."""
    table = Table(
        Column("id", no_wrap=True), "status", "format", "rows", "held out", "findings", box=None, pad_edge=False
    )
    with connect(state_dir) as api:
        for dataset in api.list_all("/datasets", at_most=50):
            counts = dataset["counts"] or {}
            table.add_row(
                dataset["id"],
                dataset["status"],
                dataset["format"] or "",
                str(counts.get("train", "")),
                str(counts.get("validation", "")),
                str(len(dataset["findings"] or [])),
            )
    console.print(table)


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


def prepare_file_there(api: Api, path: Path, options: dict[str, Any]) -> None:
    """Upload a file, have it prepared, and write the result beside it."""
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
    counts, template, cost = dataset["counts"], dataset["template"], dataset["cost_usd"]
    console.print(f"rows: {', '.join(f'{count} {name}' for name, count in counts.items())}")
    console.print(
        f"format {template['format']}, separator {template['separator']!r}, stop {template['stop']!r}", markup=False
    )
    console.print(f"version {dataset['version']}, {'cost unknown' if cost is None else f'${cost:.4f}'}")
    if dataset["cost_note"]:
        console.print(dataset["cost_note"], style="yellow", markup=False)
    console.print(f"files: {', '.join(f'{name} {file_id}' for name, file_id in dataset['files'].items() if file_id)}")
    console.print(f"fixes: {', '.join(dataset['fixes']) or 'none'}")
    print_findings(dataset["findings"])


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
