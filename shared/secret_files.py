"""Secrets from files: `NAME_FILE` says where the value of `NAME` stands; without it, `/run/secrets/name` where there is
such a file. The variable itself goes before both."""

import os
from pathlib import Path
from typing import Final

FILE_SUFFIX: Final = "_FILE"
MOUNTED: Final = Path("/run/secrets")
"""Where Docker and Podman mount secrets."""


class SecretFileError(ValueError):
    """A file that was named for a secret cannot be read."""


def read_secret(variable: str, *, mounted: Path = MOUNTED) -> str | None:
    """Return a secret; None where it is not given. Raises: SecretFileError that names variable and file."""
    value = os.environ.get(variable)
    if value:
        return value
    named = os.environ.get(variable + FILE_SUFFIX)
    file = Path(named) if named else mounted / variable.lower()
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeError) as error:
        if named:
            raise SecretFileError(f"{variable}{FILE_SUFFIX}: cannot read {file}: {error}") from None
        return None
