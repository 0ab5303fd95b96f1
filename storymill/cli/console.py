"""`storymill console`: a link to the web console that logs a browser in once, without a key."""

import webbrowser
from typing import Annotated
from urllib.parse import urljoin

import typer

from storymill.cli.connection import connect
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.client.rest import Api


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command("console")(open_console)


def open_console(
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
) -> None:
    """Print a link to the web console that logs in once, within five minutes; the console then needs no key."""
    with connect(state_dir) as api:
        link = make_link(api)
    typer.echo(link)
    if open_browser and not webbrowser.open(link):
        typer.echo("No browser could be opened here: copy the link.", err=True)


def make_link(api: Api) -> str:
    """Return a fresh link, good once. Raises: ClientError when the mill cannot be reached or refuses the key."""
    path: str = api.post("/console_links", {})["url"]
    return urljoin(api.base_url, path)
