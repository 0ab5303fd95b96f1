"""A provider's key: of a variable, or of a file, which may change while we run. Knows no provider."""

from typing import Final

from shared.observability.logs import get_logger
from shared.outside.providers.connection_settings import FieldError
from shared.secret_files import SecretFileError, read_secret

LOOK_SECONDS: Final = 1.0
"""How often files of keys are looked at, while somebody asks for a provider."""

log = get_logger(__name__)


def read_key(variable: str) -> str:
    """Return the key from the environment, or a file. Raises: FieldError when it is in neither."""
    place = ("api_key_variable",)
    try:
        key = read_secret(variable)
    except SecretFileError as error:
        raise FieldError(place, str(error)) from None
    if key is None:
        raise FieldError(place, f"the environment variable {variable} is not set")
    return key


def read_present_key(variable: str | None, known: str | None) -> str | None:
    """Return the key as it is now; the one that is known where there is none to read, as while a file is replaced."""
    try:
        present = read_secret(variable) if variable else None
    except SecretFileError as error:
        log.warning("provider_key_not_read", variable=variable, error=str(error))
        return known
    return present or known
