"""How a client command finds the gateway: the state directory's credentials, or the variables OpenAI clients read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from storymill.client.rest import Api
from storymill.launcher.credentials import Credentials, find_credentials, read_credentials

console = Console()


def load_credentials(state_dir: Path) -> Credentials:
    """Return the credentials of the state directory; without one, those of OPENAI_BASE_URL and OPENAI_API_KEY. Raises:
    LauncherError when there are neither."""
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
    """Yield the gateway's API. Raises: LauncherError without credentials; the calls raise ClientError."""
    credentials = load_credentials(state_dir)
    with Api(credentials.base_url, credentials.api_key) as api:
        yield api
