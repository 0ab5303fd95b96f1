"""`storymill limits`: what the server allows a client, and which setting changes it."""

import typer
from rich.table import Column, Table

from storymill.cli.connection import connect
from storymill.cli.options import DEFAULT_STATE_DIR, JsonOption, StateDirOption
from storymill.cli.records import print_for_programs
from storymill.cli.terminal import print_broad


def add_commands(app: typer.Typer) -> None:
    """Add the command of this module to the app."""
    app.command("limits")(limits)


def limits(as_json: JsonOption = False, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Show the limits of the server. A line in the state directory's bounds.toml changes one, without a restart."""
    with connect(state_dir) as api:
        bounds = api.get("/limits")["data"]
    if print_for_programs(bounds, as_json=as_json):
        return
    numbers = [Column(name, justify="right", no_wrap=True) for name in ("most", "used")]
    table = Table(*numbers, "of what", Column("setting", no_wrap=True), box=None, pad_edge=False)
    for limit in bounds:
        used = limit.get("used")
        shown = "" if used is None else f"{used:,}"
        table.add_row(f"{limit['value']:,}", shown, limit["description"], limit["setting"])
    print_broad(table)
