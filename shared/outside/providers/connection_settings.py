"""What `providers.toml` says about the way a provider is asked: headers, fields of the body, certificates, patience."""

import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.outside.network.proxies import UnusableNetworkError
from shared.outside.network.trust import add_certificates

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OUR_HEADERS: Final = frozenset(
    {"host", "content-type", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"}
)
"""Of the connection itself; `Authorization` and `User-Agent` may be replaced."""
OUR_FIELDS: Final = frozenset(
    {
        "model",
        "prompt",
        "messages",
        "stream",
        "stream_options",
        "n",
        "best_of",
        "echo",
        "max_tokens",
        "max_completion_tokens",
    }
)
"""Of a request: what is asked of which model, what the answer looks like, and what it may cost."""


class FieldError(ValueError):
    """A field of an entry cannot be used; the message does not name it."""

    def __init__(self, place: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.place = place


def check_header_name(name: str) -> str:
    """Return a header's name. Raises: ValueError for what is none, or ours."""
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no header's name")
    if name.lower() in OUR_HEADERS:
        raise ValueError(f"the header {name} belongs to the connection and cannot be set")
    return name


def check_header_value(value: str) -> str:
    """Return a header's value. Raises: ValueError for what no header can carry."""
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header's value is one line of printable ASCII characters")
    return value


def check_field_name(name: str) -> str:
    """Return the name of a request's field. Raises: ValueError for those that are ours."""
    if name in OUR_FIELDS:
        raise ValueError(f"the field {name} belongs to the request and cannot be set for all of them")
    return name


def check_json(value: Any) -> Any:
    """Return a value. Raises: ValueError for a date or time of TOML, which JSON does not know."""
    try:
        orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError as error:
        raise ValueError(f"not a value of JSON: {error}") from error
    return value


HeaderName = Annotated[str, AfterValidator(check_header_name)]


class ConnectionEntry(BaseModel):
    """The fields of `[providers.NAME]` that say how it is asked."""

    model_config = ConfigDict(extra="forbid")
    headers: dict[HeaderName, Annotated[str, AfterValidator(check_header_value)]] | None = None
    """Sent with every request to it."""
    header_variables: dict[HeaderName, str] | None = None
    """The same from environment variables: keys do not stand in the file."""
    body: dict[Annotated[str, AfterValidator(check_field_name)], Annotated[Any, AfterValidator(check_json)]] | None = (
        None
    )
    """Laid over every request for text."""
    ca_file: Path | None = None
    """PEM certificates that are trusted for it beside the system's; from the folder of `providers.toml`."""
    connect_timeout_seconds: float | None = Field(None, gt=0, le=600)
    """For the connection, with TLS."""
    first_byte_timeout_seconds: float | None = Field(None, gt=0)
    """Until the first token of a stream."""
    idle_timeout_seconds: float | None = Field(None, gt=0)
    """Between two tokens."""
    timeout_seconds: float | None = Field(None, gt=0)
    """For a whole call."""


CONNECTION_FIELDS: Final = frozenset({"headers", "header_variables", "body", "ca_file"})
"""Those of `ConnectionEntry` that a provider does not take as they stand."""


def read_connection(entry: ConnectionEntry, folder: Path) -> dict[str, Any]:
    """Return the provider's fields of an entry. Raises: FieldError for a variable that is not set or holds no header,
    and for certificates that cannot be read."""
    changes: dict[str, Any] = {}
    if entry.headers is not None or entry.header_variables is not None:
        secret = {name: read_header(name, variable) for name, variable in (entry.header_variables or {}).items()}
        changes["headers"] = tuple({**(entry.headers or {}), **secret}.items())
    if entry.body is not None:
        changes["body"] = entry.body
    if entry.ca_file is not None:
        changes["ca_file"] = folder / entry.ca_file
        try:
            add_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), changes["ca_file"])
        except UnusableNetworkError as error:
            raise FieldError(("ca_file",), error.message) from error
    return changes


def read_header(name: str, variable: str) -> str:
    """Return a header's value from the environment. Raises: FieldError when it is not there, or no header's."""
    place, value = ("header_variables", name), os.environ.get(variable)
    if not value:
        raise FieldError(place, f"the environment variable {variable} is not set")
    try:
        return check_header_value(value)
    except ValueError as error:
        raise FieldError(place, str(error)) from error
