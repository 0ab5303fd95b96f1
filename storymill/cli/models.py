"""`storymill models`: what can be asked for; tuned models with their line, promoted, rolled back, compared, deleted."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from storymill.cli.connection import connect
from storymill.cli.model_add import add
from storymill.cli.model_comparison import compare
from storymill.cli.model_facts import describe_price, describe_template
from storymill.cli.model_family import draw_tree, print_matrix
from storymill.cli.model_probe import probe
from storymill.cli.next_steps import (
    FIRST_ALIAS,
    FIRST_JOB,
    after_alias,
    after_delete,
    after_matrix,
    after_model,
    after_newest,
    show_model,
)
from storymill.cli.options import DEFAULT_STATE_DIR, IdsOption, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_broad, print_list, say, say_command
from storymill.cli.words import format_day, format_moment
from storymill.client.errors import ApiError, ClientError
from storymill.client.rest import Api

models_app = typer.Typer(help="Models of every provider, and your tuned ones.", no_args_is_help=True)
models_app.command("compare")(compare)
models_app.command("probe")(probe)
models_app.command("add")(add)
JOB_PREFIX = "ftjob-"
SHOWN_FIELDS = (
    "provider",
    "base_model",
    "parent",
    "job",
    "dataset_version",
    "legacy_name",
    "resolves_to",
    "shutdown_date",
)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(models_app, name="models")


def path_of(model: str) -> str:
    """Return a model's path: names may hold `:`, `/` and blanks."""
    return f"/models/{quote(model, safe=':@')}"


@models_app.command("list")
def list_models(
    tuned: Annotated[bool, typer.Option("--tuned", help="Only your tuned models and aliases.")] = False,
    ids: IdsOption = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show every model that a request may name."""
    with connect(state_dir) as api:
        models = [model for model in api.get("/models")["data"] if find_origin(model) or not tuned]
    if not print_for_programs(models, as_json=as_json, ids=ids):
        print_models(models)


def find_origin(model: dict[str, Any]) -> str:
    """Return what a model was tuned from or leads to, empty for a base."""
    return model.get("resolves_to") or model.get("parent") or model.get("base_model") or ""


def print_models(models: list[dict[str, Any]]) -> None:
    """Print models, one a line."""
    columns = make_columns("id", ("owner", 2), ("from", 3), ("created", 1))
    for model in models:
        created = format_day(model["created"]) if model["created"] else ""
        add_row(columns, model["id"], model["owned_by"], find_origin(model), created)
    print_list(columns, following=after_newest(models, show_model, FIRST_JOB))


@models_app.command("show")
def show(model: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show one model, under any of its names; of an alias its history too."""
    with connect(state_dir) as api:
        found = api.get(path_of(model))
        if print_for_programs([found], as_json=as_json):
            return
        console.print(found["id"], style="bold", markup=False, highlight=False, soft_wrap=True)
        for name in SHOWN_FIELDS:
            if found.get(name):
                console.print(f"{name.replace('_', ' ')}: {found[name]}", markup=False, soft_wrap=True)
        template = found.get("template")
        if template:
            console.print(f"template: {describe_template(template)}", markup=False, highlight=False, soft_wrap=True)
        if found.get("price"):
            for line in describe_price(found["price"]):
                console.print(f"price of {line}", markup=False, highlight=False, soft_wrap=True)
        try:
            print_history(api.get(f"/model_aliases/{quote(model, safe=':@')}")["history"])
        except ApiError as error:
            if error.status != 404:
                raise
        say_command(*after_model(found))


def print_history(history: list[dict[str, Any]]) -> None:
    """Print the changes of an alias."""
    columns = make_columns("version", "action", "model", ("canary", 3), ("when", 2), ("why", 1), right=("version",))
    for change in history:
        share = f"{change['canary_model']} {change['canary_share']:.0%}" if change["canary_model"] else ""
        why = change["reason"] or ""
        names = (str(change["version"]), change["action"], change["model"] or "")
        add_row(columns, *names, share, format_moment(change["created_at"]), why)
    print_list(columns)


@models_app.command("tree")
def tree(model: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Draw the line of a tuned model: what it comes from, and what came of it."""
    with connect(state_dir) as api:
        line = api.get(f"{path_of(model)}/tree")
    if print_for_programs([line], as_json=as_json):
        return
    print_broad(draw_tree(line))
    say_command("What a call of it saves", f"storymill roi {model} --against BASE")


@models_app.command("forgetting")
def forgetting(
    model: str,
    measure: Annotated[bool, typer.Option("--measure", help="Queue what is missing or failed.")] = False,
    as_json: JsonOption = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Show how a model and its ancestors do on each other's validation rows."""
    with connect(state_dir) as api:
        path = f"{path_of(model)}/forgetting"
        matrix = api.post(path) if measure else api.get(path)
    if print_for_programs([matrix], as_json=as_json):
        return
    print_matrix(matrix)
    for note in matrix["notes"]:
        say(note, style="yellow")
    say_command(*after_matrix(model, matrix))


@models_app.command("promote")
def promote(
    alias: str,
    model: Annotated[str, typer.Argument(metavar="MODEL|JOB", help="A model, or the job that made it: ftjob-…")],
    canary: Annotated[str | None, typer.Option(help="A model to try on a share of the requests.")] = None,
    share: Annotated[float | None, typer.Option(min=0, max=1, help="That share, between 0 and 1.")] = None,
    reason: Annotated[str | None, typer.Option(help="For the history.")] = None,
    comparison: Annotated[str | None, typer.Option(help="Require that the model won this comparison.")] = None,
    min_win_rate: Annotated[float, typer.Option(min=0, max=1)] = 0.5,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Point an alias to a model; the alias is made if there is none."""
    required = {"comparison": comparison, "min_win_rate": min_win_rate} if comparison else None
    body = {
        "alias": alias,
        "canary_model": canary,
        "canary_share": share,
        "reason": reason,
        "require": required,
    }
    with connect(state_dir) as api:
        promoted = api.post("/model_aliases", {**body, "model": find_model_of(api, model)})
        print_alias(promoted)
    say_command(*after_alias(alias))
    if promoted["version"] > 1:
        say_command("Take it back", f"storymill models rollback {alias}")


def find_model_of(api: Api, name: str) -> str:
    """Return the model that a job made; any other name is a model's. Raises: ClientError while there is none."""
    if not name.startswith(JOB_PREFIX):
        return name
    made = api.get(f"/fine_tuning/jobs/{name}")["fine_tuned_model"]
    if made is None:
        raise ClientError(f"{name} has made no model yet: storymill fine-tunes watch {name}")
    return str(made)


@models_app.command("rollback")
def rollback(
    alias: str,
    reason: Annotated[str | None, typer.Option(help="For the history.")] = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Take back the last change of an alias."""
    with connect(state_dir) as api:
        print_alias(api.post(f"/model_aliases/{quote(alias, safe=':@')}/rollback", {"reason": reason}))
    say_command("See every change", f"storymill models show {alias}")


@models_app.command("aliases")
def aliases(as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show your aliases."""
    with connect(state_dir) as api:
        found = api.get("/model_aliases")["data"]
    if not print_for_programs(found, as_json=as_json):
        for alias in found:
            print_alias(alias)
        say_command(*after_newest(found, lambda alias: after_alias(alias["alias"]), FIRST_ALIAS))


@models_app.command("delete")
def delete(
    model: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Delete one of your tuned models, here and at its provider."""
    if not yes:
        typer.confirm(f"Delete {model}? It cannot be brought back", abort=True)
    with connect(state_dir) as api:
        api.delete(path_of(model))
    say(f"deleted {model}")
    say_command(*after_delete("models"))


def print_alias(alias: dict[str, Any]) -> None:
    """Print where an alias leads."""
    canary = f", {alias['canary_share']:.0%} to {alias['canary_model']}" if alias["canary_model"] else ""
    leads = f"→ {alias['model']}" if alias["model"] else "leads nowhere"
    text = f"{alias['alias']} {leads}{canary} (version {alias['version']})"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
