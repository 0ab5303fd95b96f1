"""The lists that routes answer, as they are told to machines; the lists themselves are written by `list_body`."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

Item = TypeVar("Item")


class WholeList(BaseModel, Generic[Item]):
    """Everything there is, at once."""

    object: Literal["list"]
    data: list[Item]


class ShortList(WholeList[Item], Generic[Item]):
    """Everything there is, at once; `has_more` is there for clients that look for it."""

    has_more: bool


class ListPage(ShortList[Item], Generic[Item]):
    """A part; the next is `?after=<last_id>`."""

    first_id: str | None
    last_id: str | None
