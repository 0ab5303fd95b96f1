"""How a client command finds the gateway: the state directory's credentials, or the variables OpenAI clients read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from storymill.client.errors import ApiError, ClientError
from storymill.client.rest import Api
from storymill.launcher.credentials import Credentials, find_credentials, read_credentials
from storymill.launcher.errors import LauncherError

StateDirOption = Annotated[
    Path,
    typer.Option("--state-dir", envvar="STORYMILL_STATE_DIR", help="Where `storymill up` keeps its state and key."),
]
DEFAULT_STATE_DIR = Path(".storymill")

console = Console()
errors = Console(stderr=True)


def load_credentials(state_dir: Path) -> Credentials:
    """Return the credentials of the state directory; without one, those of OPENAI_BASE_URL and OPENAI_API_KEY.

    Raises: LauncherError.
    """
    found = find_credentials(state_dir)
    if found is not None:
        return found
    base_url, api_key = os.environ.get("OPENAI_BASE_URL"), os.environ.get("OPENAI_API_KEY")
    if base_url and api_key:
        streaming_url = os.environ.get("STORYMILL_STREAMING_URL", "")
        return Credentials(base_url=base_url, streaming_url=streaming_url, api_key=api_key)
    return read_credentials(state_dir)


@contextmanager
def connect(state_dir: Path) -> Iterator[Api]:
    """Yield the gateway's API; what goes wrong inside ends the command with a sentence and exit status 1."""
    with friendly_errors():
        credentials = load_credentials(state_dir)
        with Api(credentials.base_url, credentials.api_key) as api:
            yield api


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn the errors of client and launcher into a line on stderr and exit status 1."""
    try:
        yield
    except ApiError as error:
        errors.print(f"[red]refused ({error.status}):[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    except (ClientError, LauncherError) as error:
        errors.print(f"[red]error:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
