"""`storymill providers`: how those who write the texts stand, as the workers found."""

from typing import Any

import typer

from storymill.cli.connection import connect
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import add_row, console, make_columns, print_list
from storymill.cli.words import format_moment

VERDICT_STYLES = {"well": "green", "silent": "yellow"}

providers_app = typer.Typer(help="Providers: who is well, down, silent, out of credit.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(providers_app, name="providers")


@providers_app.command("list")
def list_providers(as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show every provider with the verdict on it."""
    columns = make_columns("provider", "verdict", ("since", 2), ("until", 1), "last failure")
    with connect(state_dir) as api:
        providers = api.get("/providers")["data"]
    if print_for_programs(providers, as_json=as_json):
        return
    for provider in providers:
        moments = (spell_time(provider[field]) for field in ("since", "until"))
        add_row(columns, provider["name"], spell_verdict(provider), *moments, describe_failure(provider))
    print_list(columns)


@providers_app.command("show")
def show(name: str, as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show one provider, its verdict and its limits."""
    with connect(state_dir) as api:
        provider = api.get(f"/providers/{name}")
    if print_for_programs([provider], as_json=as_json):
        return
    console.print(f"{provider['name']}: {describe_verdict(provider)}", highlight=False)
    for label, field in (("since", "since"), ("until", "until"), ("last heard of", "seen_at")):
        if provider[field]:
            console.print(f"  {label}: {spell_time(provider[field])}", highlight=False)
    if failure := describe_failure(provider):
        console.print(f"  last failure: {failure}", highlight=False, markup=False)
    for limit, amount in provider["limits"].items():
        console.print(f"  {limit.replace('_', ' ')}: {'none' if amount is None else f'{amount:,}'}", highlight=False)


def describe_verdict(provider: dict[str, Any]) -> str:
    """Return a verdict in its colour."""
    style = VERDICT_STYLES.get(str(provider["verdict"]), "red")
    return f"[{style}]{spell_verdict(provider)}[/{style}]"


def spell_verdict(provider: dict[str, Any]) -> str:
    """Return a verdict in words."""
    return str(provider["verdict"]).replace("_", " ")


def describe_failure(provider: dict[str, Any]) -> str:
    """Return what went wrong last, empty when nothing did."""
    failure = provider["last_failure"]
    if failure is None:
        return ""
    status = f" ({failure['upstream_status']})" if failure["upstream_status"] else ""
    return f"{str(failure['class']).replace('_', ' ')}{status}"


def spell_time(seconds: int | None) -> str:
    """Return a moment as people read it, empty without one."""
    return format_moment(seconds) if seconds else ""
