"""What the operator gives: in a variable, or in a file, as the services read it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storymill.launcher.errors import LauncherError

FILE_SUFFIX: Final = "_FILE"
MOUNTED: Final = Path("/run/secrets")


@dataclass(frozen=True)
class GivenSecret:
    """A secret, such as an address with a password, and the variable that leads our processes to it: they read a file
    by themselves, and again when it changes."""

    value: str
    environment: dict[str, str]


def find_given_secret(variable: str, *, mounted: Path = MOUNTED) -> GivenSecret | None:
    """Return the secret that the environment or a file gives, None when there is neither. Raises: LauncherError when
    the named file cannot be read, or is empty."""
    value = os.environ.get(variable)
    if value:
        return GivenSecret(value, {variable: value})
    named = os.environ.get(variable + FILE_SUFFIX)
    file = Path(named).absolute() if named else mounted / variable.lower()
    if not named and not file.exists():
        return None
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise LauncherError(f"{variable}{FILE_SUFFIX}: cannot read {file}: {error}") from error
    if not found:
        raise LauncherError(f"{variable}{FILE_SUFFIX}: {file} is empty.")
    return GivenSecret(found, {variable + FILE_SUFFIX: str(file)})
