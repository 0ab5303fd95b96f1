"""The address and password of Postgres may stand in a file, which is read again for each new connection: a password is
changed without a restart, in either order of file and server."""

from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.observability.logs import get_logger
from shared.secret_files import SecretFileError, read_secret
from shared.settings import SECRETS, Settings, name_driver

VARIABLE: Final = SECRETS["database_url"]

log = get_logger(__name__)


class ChangingUrl:
    """What connections of a pool are opened with: the file's URL, and the last that was good while that is not yet."""

    def __init__(self, at_start: str) -> None:
        self._good = at_start

    def connect(self, dialect: Dialect, cargs: Any, cparams: dict[str, Any]) -> Any:
        """Return a connection. Raises: the driver's error of the last URL that was tried."""
        present = self._read()
        try:
            connection = dialect.connect(*cargs, **{**cparams, **spell_out(dialect, present)})
        except dialect.loaded_dbapi.OperationalError as error:
            if present == self._good:
                raise
            log.warning("database_url_refused", variable=VARIABLE, error=str(error).splitlines()[0])
            return dialect.connect(*cargs, **{**cparams, **spell_out(dialect, self._good)})
        if present != self._good:
            log.info("database_url_changed", variable=VARIABLE)
            self._good = present
        return connection

    def _read(self) -> str:
        try:
            return read_secret(VARIABLE) or self._good
        except SecretFileError as error:
            log.warning("database_url_not_read", error=str(error))
            return self._good


def spell_out(dialect: Dialect, url: str) -> dict[str, Any]:
    """Return a URL in the driver's words."""
    _, words = dialect.create_connect_args(make_url(name_driver(url)))
    return dict(words)


def follow_url_file(engine: AsyncEngine, settings: Settings) -> None:
    """Have connections opened with what the file of the URL says then, where the settings have it from a file."""
    try:
        is_from_there = read_secret(VARIABLE) == settings.database_url
    except SecretFileError:
        is_from_there = False
    if not is_from_there:
        return
    url = ChangingUrl(settings.database_url)

    def connect(dialect: Dialect, _record: object, cargs: Any, cparams: dict[str, Any]) -> Any:
        return url.connect(dialect, cargs, dict(cparams))

    event.listen(engine.sync_engine, "do_connect", connect)
