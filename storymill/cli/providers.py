"""`storymill providers`: how those who write the texts stand, as the workers found."""

from datetime import UTC, datetime
from typing import Any

import typer
from rich.table import Table

from storymill.cli.connection import connect
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import console

VERDICT_STYLES = {"well": "green", "silent": "yellow"}

providers_app = typer.Typer(help="Providers: who is well, down, silent, out of credit.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.add_typer(providers_app, name="providers")


@providers_app.command("list")
def list_providers(state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show every provider with the verdict on it."""
    table = Table("provider", "verdict", "since", "until", "last failure", box=None, pad_edge=False)
    with connect(state_dir) as api:
        providers = api.get("/providers")["data"]
    for provider in providers:
        table.add_row(
            provider["name"],
            describe_verdict(provider),
            spell_time(provider["since"]),
            spell_time(provider["until"]),
            describe_failure(provider),
        )
    console.print(table)


@providers_app.command("show")
def show(name: str, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show one provider, its verdict and its limits."""
    with connect(state_dir) as api:
        provider = api.get(f"/providers/{name}")
    console.print(f"{provider['name']}: {describe_verdict(provider)}", highlight=False)
    for label, field in (("since", "since"), ("until", "until"), ("last heard of", "seen_at")):
        if provider[field]:
            console.print(f"  {label}: {spell_time(provider[field])}", highlight=False)
    if failure := describe_failure(provider):
        console.print(f"  last failure: {failure}", highlight=False, markup=False)
    for limit, amount in provider["limits"].items():
        console.print(f"  {limit}: {'none' if amount is None else f'{amount:,}'}", highlight=False)


def describe_verdict(provider: dict[str, Any]) -> str:
    """Return a verdict in its colour."""
    verdict = str(provider["verdict"])
    style = VERDICT_STYLES.get(verdict, "red")
    return f"[{style}]{verdict.replace('_', ' ')}[/{style}]"


def describe_failure(provider: dict[str, Any]) -> str:
    """Return what went wrong last, empty when nothing did."""
    failure = provider["last_failure"]
    if failure is None:
        return ""
    status = f" ({failure['upstream_status']})" if failure["upstream_status"] else ""
    return f"{failure['class']}{status}"


def spell_time(seconds: int | None) -> str:
    """Return a moment as people read it, empty without one."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC" if seconds else ""
