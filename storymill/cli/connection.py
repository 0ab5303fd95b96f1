"""How a client command finds the gateway: the address that was named, else the state directory's credentials."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.launcher.credentials import Credentials, read_credentials

BASE_URL: Final = "STORYMILL_BASE_URL"
API_KEY: Final = "STORYMILL_API_KEY"
STREAMING_URL: Final = "STORYMILL_STREAMING_URL"


def add_options(app: typer.Typer) -> None:
    """Add the options of every command to the app."""
    app.callback()(read_options)


def read_options(
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help=f"A mill elsewhere, instead of a state directory's (also: {BASE_URL}); key: {API_KEY}."
        ),
    ] = None,
) -> None:
    """A self-hosted mill for text: generate at volume, prepare, fine-tune, stream."""
    if base_url is not None:
        os.environ[BASE_URL] = base_url


def load_credentials(state_dir: Path) -> Credentials:
    """Return where the mill is and the key to it. Variables of OpenAI's clients are not asked: they may lead to another
    server, and their key is that server's. Raises: LauncherError when no mill is named and the state directory has
    none; ClientError when an address is named without its key."""
    base_url = os.environ.get(BASE_URL)
    if base_url:
        api_key = os.environ.get(API_KEY)  # not OPENAI_API_KEY: that is for whom OPENAI_BASE_URL names
        if not api_key:
            raise ClientError(f"The mill at {base_url} wants a key: set {API_KEY} (`storymill keys create` makes one).")
        return Credentials(base_url=base_url, streaming_url=os.environ.get(STREAMING_URL, ""), api_key=api_key)
    return read_credentials(state_dir)


@contextmanager
def connect(state_dir: Path) -> Iterator[Api]:
    """Yield the gateway's API. Raises: LauncherError or ClientError when no mill is named, ClientError by its calls."""
    credentials = load_credentials(state_dir)
    with Api(credentials.base_url, credentials.api_key) as api:
        yield api
