"""User and password of Redis may stand in a file, which is read again for each new connection: a password is changed
without a restart. Redis takes several of one user at a time: the new one is added there first, the old one goes last.

Address and database stay those of the start: nobody moves to another server while we run."""

import os
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from redis import CredentialProvider

from shared.observability.logs import get_logger
from shared.secret_files import SecretFileError, read_secret
from shared.settings import SECRETS

VARIABLE: Final = SECRETS["redis_url"]

log = get_logger(__name__)


class PasswordFile(CredentialProvider):
    """What a new connection says to Redis; the last that could be read, while the file cannot be."""

    _known: tuple[str, ...] = ()

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return user and password, as far as the URL has them."""
        try:
            url = read_secret(VARIABLE)
        except SecretFileError as error:
            log.warning("redis_url_not_read", error=str(error))
            url = None
        if url is not None:
            PasswordFile._known = read_credentials(url)
        return PasswordFile._known  # type: ignore[return-value]  # none, where the URL has none

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same, on an event loop: the file is a line."""
        return self.get_credentials()


FOLLOWING: Final = f"credential_provider={__name__}.{PasswordFile.__name__}"
"""In the query of a broker's URL: Kombu makes the class by its name."""


def read_credentials(url: str) -> tuple[str, ...]:
    """Return what a URL says before the address: user and password, the password alone, or nothing."""
    parts = urlsplit(url)
    return tuple(unquote(word) for word in (parts.username, parts.password) if word)


def is_from_file(url: str) -> bool:
    """Say whether the URL is from a file, whatever the password there is by now. What cannot be read is told by who
    reads the settings."""
    try:
        found = None if os.environ.get(VARIABLE) else read_secret(VARIABLE)
    except SecretFileError:
        return False
    return found is not None and leave_out_credentials(found) == leave_out_credentials(url)


def leave_out_credentials(url: str) -> str:
    """Return a URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def follow_password_file(broker_url: str) -> str:
    """Return a broker's URL that has its password read again from the file, where it is from one."""
    if not is_from_file(broker_url):
        return broker_url
    bare = leave_out_credentials(broker_url)
    return f"{bare}{'&' if '?' in bare else '?'}{FOLLOWING}"
