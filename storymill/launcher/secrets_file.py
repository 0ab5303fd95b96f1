"""The passwords of the embedded servers: made once, kept with the data that they protect."""

import json
import secrets
from dataclasses import asdict, dataclass

from storymill.launcher.atomic_file import write_file
from storymill.launcher.errors import StateDirError
from storymill.launcher.state_dir import StateDir


@dataclass(frozen=True)
class StoreSecrets:
    """URL-safe passwords."""

    postgres_password: str
    redis_password: str


def ensure_secrets(state: StateDir) -> StoreSecrets:
    """Read the passwords, or make them on the first start."""
    if not state.secrets_file.exists():
        made = StoreSecrets(secrets.token_hex(16), secrets.token_hex(16))
        write_file(state.secrets_file, json.dumps(asdict(made)) + "\n")
        return made
    try:
        return StoreSecrets(**json.loads(state.secrets_file.read_text()))
    except (ValueError, TypeError) as error:
        raise StateDirError(f"{state.secrets_file} cannot be read: restore it from a backup.") from error
