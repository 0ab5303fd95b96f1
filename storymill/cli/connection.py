"""How a client command finds the gateway: the address that was named, else the state directory's credentials."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit, urlunsplit

import typer

from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.launcher.credentials import Credentials, read_credentials

BASE_URL: Final = "STORYMILL_BASE_URL"
API_KEY: Final = "STORYMILL_API_KEY"
STREAMING_URL: Final = "STORYMILL_STREAMING_URL"
API_PATH: Final = "/v1"


def add_options(app: typer.Typer) -> None:
    """Add the options of every command to the app."""
    app.callback()(read_options)


def print_version(wanted: bool) -> None:
    """Print the version and end, if it was asked for."""
    if wanted:
        typer.echo(f"storymill {version('storymill')}")
        raise typer.Exit


def read_options(
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help=f"A mill elsewhere, instead of a state directory's (also: {BASE_URL}); key: {API_KEY}."
        ),
    ] = None,
    is_version_wanted: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-hosted mill for text: generate at volume, prepare, fine-tune, stream."""
    if base_url is not None:
        os.environ[BASE_URL] = base_url


def load_credentials(state_dir: Path) -> Credentials:
    """Return where the mill is and the key to it. Variables of OpenAI's clients are not asked: they may lead to another
    server, and their key is that server's. Raises: LauncherError when no mill is named and the state directory has
    none; ClientError when an address is none, or is named without its key."""
    named = os.environ.get(BASE_URL)
    if named:
        base_url = read_base_url(named)
        api_key = os.environ.get(API_KEY)  # not OPENAI_API_KEY: that is for whom OPENAI_BASE_URL names
        if not api_key:
            raise ClientError(f"The mill at {base_url} wants a key: set {API_KEY} (`storymill keys create` makes one).")
        return Credentials(base_url=base_url, streaming_url=os.environ.get(STREAMING_URL, ""), api_key=api_key)
    return read_credentials(state_dir)


def read_base_url(named: str) -> str:
    """Return a gateway's address as calls need it: an address without a path gets `/v1`. Raises: ClientError when it
    is no address."""
    try:
        parts = urlsplit(named.strip())
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        is_address = False
    if not is_address:
        raise ClientError(f"{named} is not the address of a mill: give --base-url like http://127.0.0.1:8000/v1.")
    path = parts.path.rstrip("/") or API_PATH
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


@contextmanager
def connect(state_dir: Path) -> Iterator[Api]:
    """Yield the gateway's API. Raises: LauncherError or ClientError when no mill is named, ClientError by its calls."""
    credentials = load_credentials(state_dir)
    with Api(credentials.base_url, credentials.api_key) as api:
        yield api
