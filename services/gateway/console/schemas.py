"""Bodies of the session routes."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.gateway.http.body_rules import need_exactly_one
from services.gateway.http.request_body import RequestBody


class LoginRequest(RequestBody):
    """The body of `POST /console/session`: a key, or the ticket of a link."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=need_exactly_one("key", "ticket"))

    key: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    ticket: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.key is None) == (self.ticket is None):
            raise ValueError("give either 'key' or 'ticket'")
        return self


class SessionKey(BaseModel):
    """The key behind a session, without its secret."""

    id: str
    name: str
    prefix: str


class Session(BaseModel):
    """A browser's session."""

    object: Literal["console.session"]
    id: str
    project_id: str
    key: SessionKey
    scopes: list[str]
    streaming_url: str
    version: str
    created_at: int
    expires_at: int


class ConsoleLink(BaseModel):
    """A link that logs a browser in once."""

    object: Literal["console.link"]
    url: str
    expires_in: int
