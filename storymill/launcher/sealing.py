"""The key that secrets in the database are sealed with: made at the first start unless the operator gives one, changed
by command while the mill runs. The services do the sealing."""

import os
import secrets
import subprocess
import sys
from typing import Final

from storymill.launcher.atomic_file import write_file
from storymill.launcher.errors import LauncherError
from storymill.launcher.given_secret import FILE_SUFFIX, find_given_secret
from storymill.launcher.state_dir import StateDir
from storymill.launcher.stores import DATABASE_URL, find_database_url

ENCRYPTION_KEY: Final = "STORYMILL_ENCRYPTION_KEY"
ENCRYPTION_KEY_FILE: Final = ENCRYPTION_KEY + FILE_SUFFIX
KEY_BYTES: Final = 32
KEYS_KEPT: Final = 2
"""The one before still opens what a backup of the database holds."""


def build_sealing_environment(state: StateDir) -> dict[str, str]:
    """Return what leads services to the state directory's key, made now if there is none; nothing where the operator
    gives one. Raises: StateDirError when it cannot be written, LauncherError for a file that cannot be read."""
    if find_given_secret(ENCRYPTION_KEY) is not None:
        return {}
    if not state.encryption_key_file.exists():
        write_file(state.encryption_key_file, secrets.token_urlsafe(KEY_BYTES) + "\n")
    return {ENCRYPTION_KEY_FILE: str(state.encryption_key_file)}


def rotate_key(state: StateDir, python_environment: dict[str, str]) -> str:
    """Make a new key that counts at once, and have what is stored sealed with it; return what was said. Raises:
    LauncherError when the key is the operator's, when no mill runs, or when the sealing fails: then both keys open."""
    if find_given_secret(ENCRYPTION_KEY) is not None:
        raise LauncherError(
            f"The key comes from {ENCRYPTION_KEY}: put the new one there, a comma and the old one behind it. Stored "
            "secrets are sealed anew within the hour, or by `python -m services.gateway.webhooks.reseal`."
        )
    database_url = find_database_url(state)
    known = state.encryption_key_file.read_text().split() if state.encryption_key_file.exists() else []
    keys = [secrets.token_urlsafe(KEY_BYTES), *known][:KEYS_KEPT]
    write_file(state.encryption_key_file, "\n".join(keys) + "\n")
    given = {DATABASE_URL: database_url, ENCRYPTION_KEY_FILE: str(state.encryption_key_file)}
    result = subprocess.run(
        [sys.executable, "-m", "services.gateway.webhooks.reseal"],
        env={**os.environ, **python_environment, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise LauncherError(result.stderr.strip() or f"sealing anew failed (exit {result.returncode})")
    return result.stdout.strip()
