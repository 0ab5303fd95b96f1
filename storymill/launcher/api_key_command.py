"""The gateway's key administration, by command line: this side knows no table."""

import json
import sys
from pathlib import Path

from storymill.launcher.credentials import Credentials, find_credentials, write_credentials
from storymill.launcher.errors import LauncherError, StartError
from storymill.launcher.plan import Step
from storymill.launcher.state_dir import StateDir
from storymill.launcher.step import run_step, run_to_end

KEY_NAME = "launcher"
SCOPES = "read,write,operate"
API_KEYS_COMMAND = [sys.executable, "-m", "services.gateway.api_keys"]


def build_key_step(state: StateDir, environment: dict[str, str], base_url: str, streaming_url: str) -> Step:
    """Plan the step that leaves working credentials behind: the key that is there, or a new one."""
    log_file = state.log_file("api-key")

    async def run() -> None:
        api_key = await find_valid_key(state, environment, log_file)
        if api_key is None:
            api_key = await create_key(environment, log_file)
        write_credentials(state.root, Credentials(base_url=base_url, streaming_url=streaming_url, api_key=api_key))

    return Step("api key", run)


async def find_valid_key(state: StateDir, environment: dict[str, str], log_file: Path) -> str | None:
    """Return the stored key if the database still knows it. One that an earlier release made has the scopes of today
    afterwards."""
    try:
        stored = find_credentials(state.root)
    except LauncherError:
        return None
    if stored is None:
        return None
    command = [*API_KEYS_COMMAND, "check", "--key-stdin", "--name", KEY_NAME, "--scopes", SCOPES]
    exit_code, _ = await run_to_end(command, environment, log_file, stored.api_key + "\n")
    return stored.api_key if exit_code == 0 else None


async def create_key(environment: dict[str, str], log_file: Path) -> str:
    """Make the launcher's key and return its secret."""
    arguments = ["create", "--project", "default", "--name", KEY_NAME, "--json", "--scopes", SCOPES]
    output = await run_step("creating an API key", [*API_KEYS_COMMAND, *arguments], environment, log_file)
    try:
        return str(json.loads(output)["key"])
    except (ValueError, KeyError) as error:
        raise StartError(f"creating an API key printed no key; see {log_file}") from error
