"""`credentials.json`: where clients on this machine find the gateway and the key to it."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from storymill.launcher.atomic_file import write_file
from storymill.launcher.errors import LauncherError
from storymill.launcher.state_dir import find_state_dir


class Credentials(BaseModel):
    """What a client needs. `base_url` is what `OPENAI_BASE_URL` takes: it ends in `/v1`."""

    base_url: str
    streaming_url: str
    api_key: str


def find_credentials(state_dir: Path) -> Credentials | None:
    """Return the credentials of a state directory, or None if no start has written them."""
    path = find_state_dir(state_dir).credentials_file
    try:
        return Credentials.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LauncherError(
            f"{path} belongs to another user: only the user who ran `storymill up` reads it."
        ) from error
    except ValidationError as error:
        raise LauncherError(f"{path} cannot be read: `storymill up` writes it anew once it is removed.") from error


def read_credentials(state_dir: Path) -> Credentials:
    """Return the credentials of a state directory. Raises: LauncherError when there are none."""
    found = find_credentials(state_dir)
    if found is None:
        raise LauncherError(
            f"No mill is named: there are no credentials in {state_dir}. Start one with `storymill up`, name its "
            "folder with --state-dir, or name a mill elsewhere with --base-url (or STORYMILL_BASE_URL) and its key "
            "with STORYMILL_API_KEY."
        )
    return found


def write_credentials(state_dir: Path, credentials: Credentials) -> None:
    """Replace the credentials, readable by this user alone."""
    write_file(find_state_dir(state_dir).credentials_file, credentials.model_dump_json(indent=2) + "\n")
