"""`storymill datasets`: turn stories and files into training files, and look at what came of it."""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.dataset_files import find_free_path, keep_copies, prepare_here
from storymill.cli.dataset_options import (
    CompletionFieldOption,
    EncodingOption,
    FromOption,
    PreviewOption,
    PromptFieldOption,
    ShareOption,
    SheetOption,
    SourcesArgument,
)
from storymill.cli.dataset_sources import STANDARD_INPUT, FoundSources, find_sources
from storymill.cli.dataset_views import print_dataset, print_datasets
from storymill.cli.next_steps import after_dataset, after_delete, tune_on
from storymill.cli.options import DEFAULT_STATE_DIR, MOST_LISTED, IdsOption, JsonOption, LimitOption, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.progress import follow_dataset
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import console, say, say_command
from storymill.client.errors import ClientError, UnreachableError
from storymill.client.rest import Api
from storymill.launcher.errors import LauncherError

GENERATION_PREFIX = "gen_"
GENERATION_SHARE = 0.1
PREFERENCE = "preference"
MOST_SOURCES = 32

datasets_app = typer.Typer(help="Datasets: prepare, list, show, cancel, delete, report, export.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(datasets_app, name="datasets")


@datasets_app.command("prepare")
def prepare(
    sources: SourcesArgument = None,
    more: FromOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Ask nothing; without a mill it asks.")] = False,
    target: Annotated[
        str | None, typer.Option("--format", help="completion, chat, or preference (of a run's reviews).")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="On this machine, even while a mill is running.")] = False,
    validation_share: ShareOption = None,
    model: Annotated[str | None, typer.Option(help="Whose tokens are counted and whose limit applies.")] = None,
    prompt_field: PromptFieldOption = None,
    completion_field: CompletionFieldOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    preview: PreviewOption = 0,
    apply: Annotated[list[str] | None, typer.Option(help="Fix this finding too (again and again, or `all`).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the split.")] = None,
    stratify: Annotated[str | None, typer.Option(help="Hold out the same share of every value of this column.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message for rows that become chat.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Check rows, mend them, and write training files. A file needs no running mill; its source is never changed."""
    given = keep_given(
        format=target,
        validation_share=validation_share,
        model=model,
        apply=apply or None,
        seed=seed,
        stratify=stratify,
        system=system,
    )
    choices = keep_given(encoding=encoding, sheet=sheet, prompt_field=prompt_field, completion_field=completion_field)
    named = [*(sources or ()), *(more or ())]
    if any(name.startswith(GENERATION_PREFIX) for name in named):
        prepare_run(state_dir, named, choices, {"validation_share": GENERATION_SHARE, **given})
        return
    if not named:
        raise ClientError("Name what to prepare: files, a folder, - (standard input), hf:DIR, or a run (gen_…).")
    if local or preview or not is_mill_there(state_dir):
        shown = keep_given(preview=preview or None)
        raise typer.Exit(prepare_named_here(named, {**given, **choices, **shown}, quiet=quiet))
    with TemporaryDirectory(prefix="storymill-sources-") as scratch, connect(state_dir) as api:
        found = find_told(named, Path(scratch))
        say_command(*after_dataset(prepare_files_there(api, found, choices, {"validation_share": 0.0, **given})))


def keep_given(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def find_told(named: list[str], scratch: Path) -> FoundSources:
    """Return the files that are meant, having said what was left out."""
    found = find_sources(named, scratch)
    for note in found.notes:
        say(note, style="yellow")
    return found


def prepare_named_here(named: list[str], options: dict[str, Any], *, quiet: bool) -> int:
    """Prepare files on this machine; return the exit status. Raises: ClientError for what takes a mill."""
    if options.get("format") == PREFERENCE and "preview" not in options:
        raise ClientError("Preference pairs are prepared by a running mill: start it with `storymill up`.")
    with TemporaryDirectory(prefix="storymill-sources-") as scratch:
        found = find_told(named, Path(scratch))
        is_quiet = quiet or STANDARD_INPUT in named  # the rows come where answers would
        here = {name: value for name, value in options.items() if value != PREFERENCE}
        return prepare_here(found.paths, {**here, "name": found.name}, quiet=is_quiet)


def prepare_run(state_dir: Path, named: list[str], choices: dict[str, str], options: dict[str, Any]) -> None:
    """Prepare the stories of runs. Raises: ClientError for what is said of files alone."""
    if choices:
        raise ClientError("Fields, sheet and encoding are chosen of a file; a run has its attributes and its stories.")
    if not all(name.startswith(GENERATION_PREFIX) for name in named):
        raise ClientError("Name either runs or files; the REST interface takes both as one dataset.")
    with connect(state_dir) as api:
        say_command(*after_dataset(prepare_there(api, [{"generation": name} for name in named], options)))


@datasets_app.command("list")
def list_datasets(
    limit: LimitOption = MOST_LISTED,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show the newest datasets."""
    with connect(state_dir) as api:
        datasets = list(api.list_all("/datasets", at_most=limit))
    if not print_for_programs(datasets, as_json=as_json, ids=ids):
        print_datasets(datasets)


@datasets_app.command("show")
def show(dataset_id: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Print what a dataset holds and what was found in it."""
    with connect(state_dir) as api:
        dataset = api.get(f"/datasets/{dataset_id}")
    if print_for_programs([dataset], as_json=as_json):
        return
    print_dataset(dataset)
    say_command(*after_dataset(dataset))


@datasets_app.command("cancel")
def cancel(dataset_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """End a preparation, whether it waits or is under way."""
    with connect(state_dir) as api:
        dataset = api.post(f"/datasets/{dataset_id}/cancel", {})
        print_dataset(dataset)
        say_command(*after_dataset(dataset))


@datasets_app.command("delete")
def delete(dataset_id: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Delete a dataset with its rows and files; one that a model learned from stays."""
    with connect(state_dir) as api:
        api.delete(f"/datasets/{dataset_id}")
    say(f"deleted {dataset_id}")
    say_command(*after_delete("datasets"))


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
        console.print(f"wrote {page} ({size:,} bytes)", markup=False, highlight=False, soft_wrap=True)
        say_command(*tune_on(dataset_id))


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
    say_command(*tune_on(shlex.quote(str(target)) if split == "train" else dataset_id))


def is_mill_there(state_dir: Path) -> bool:
    """Say whether a mill answers at the configured address: without one, a file is prepared here."""
    try:
        with connect(state_dir) as api:
            api.get("/datasets", limit=1)
    except (LauncherError, UnreachableError):
        return False
    return True


def prepare_files_there(
    api: Api, found: FoundSources, choices: dict[str, str], options: dict[str, Any]
) -> dict[str, Any]:
    """Upload files, have them prepared, and write the result beside them. Returns the dataset. Raises: ClientError for
    more than one dataset may have."""
    if len(found.paths) > MOST_SOURCES:
        raise ClientError(f"{len(found.paths)} files are more than {MOST_SOURCES} of a dataset: use --local.")
    ids = [api.upload("/files", path, purpose="fine-tune")["id"] for path in found.paths]
    try:
        dataset = prepare_there(api, [{"file": file_id, **choices} for file_id in ids], options)
    except DatasetFailedError as error:
        keep_copies(api, error.dataset["error"], found.name, console)
        raise
    has_validation = dataset["files"]["validation"] is not None
    endings = {"train": "_train", "validation": "_valid"} if has_validation else {"train": ""}
    for split, ending in endings.items():
        save_side(api, dataset["id"], split, find_free_path(found.name, f"_prepared{ending}"))
    return dataset


class DatasetFailedError(ClientError):
    """The rows cannot be used; the message says why."""

    def __init__(self, dataset: dict[str, Any]) -> None:
        super().__init__(f"{dataset['error']['message']} ({dataset['error']['code']}, dataset {dataset['id']})")
        self.dataset = dataset


def prepare_there(api: Api, sources: list[dict[str, str]], options: dict[str, Any]) -> dict[str, Any]:
    """Have the mill prepare sources, and show what came of it. Raises: DatasetFailedError when it could not be
    prepared."""
    ordered = api.post("/datasets", {"sources": sources, **options})
    try:
        dataset = follow_dataset(api, ordered["id"], Patience(console))
    except KeyboardInterrupt:
        say_command("The preparation goes on. See it", f"storymill datasets show {ordered['id']}")
        say_command("Collect its rows", f"storymill datasets export {ordered['id']} train.jsonl")
        raise typer.Exit(130) from None
    if dataset["status"] == "failed":
        raise DatasetFailedError(dataset)
    if dataset["status"] == "cancelled":
        raise ClientError(f"The dataset {dataset['id']} was cancelled.")
    print_dataset(dataset)
    return dataset


def save_side(api: Api, dataset_id: str, split: str, target: Path) -> None:
    """Write one side of a dataset to `target`. Raises: ClientError when the mill does not give it."""
    size = api.download(f"/datasets/{dataset_id}/export", target, split=split)
    console.print(f"wrote {target} ({size:,} bytes)", markup=False, highlight=False, soft_wrap=True)
