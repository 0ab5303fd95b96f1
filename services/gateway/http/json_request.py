"""Request bodies read strictly: UTF-8 JSON of a bounded cost, without NUL characters, which no text column stores."""

from collections.abc import Iterable
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope

from services.gateway.http.body_turns import BodyTurns
from shared.contracts.storable import ESCAPED_NUL, holds_nul
from shared.texts.json_cost import JsonBound

BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
DEEPEST_NESTING: Final = 100
"""Lists and objects inside each other. Encoders on a body's way to the provider give up from 250 on."""


class JsonRequest(Request):
    """A request whose `json()` refuses what we could not store. Raises: HTTPException 400, the one class that FastAPI
    passes on from the reading of a body, or 413 for one that would take too long to parse."""

    def __init__(self, scope: Scope, receive: Receive, bound: JsonBound, turns: BodyTurns) -> None:
        super().__init__(scope, receive)
        self._bound = bound
        self._turns = turns

    async def json(self) -> Any:
        """Return the parsed body."""
        body = await self.body()
        async with self._turns.of(body):
            return self._parse(body)

    def _parse(self, body: bytes) -> Any:
        if (excess := self._bound.find_excess(body)) is not None:
            raise HTTPException(413, f"The body holds {excess}.")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise HTTPException(400, f"We could not parse the JSON body of your request: {error}") from error
        if is_too_deep(body, value):
            raise HTTPException(400, f"The body is nested more than {DEEPEST_NESTING} levels deep.")
        if ESCAPED_NUL in body and holds_nul(value):
            raise HTTPException(400, "The body contains a NUL character (\\u0000), which cannot be stored.")
        return value

    async def check_content_type(self) -> None:
        """Refuse a body that does not say that it is JSON."""
        if self.method not in BODY_METHODS or not await self.body():
            return
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json" and not content_type.endswith("+json"):
            raise HTTPException(400, "Send the body as JSON, with the header 'Content-Type: application/json'.")


def is_too_deep(body: bytes, value: Any) -> bool:
    """Say whether lists and objects stand inside each other beyond the limit; bodies with few brackets cannot."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST_NESTING:
        return False
    level = [value]
    for _ in range(DEEPEST_NESTING + 1):
        level = [part for item in level for part in read_parts(item) if isinstance(part, dict | list)]
    return bool(level)


def read_parts(item: Any) -> Iterable[Any]:
    """Return what stands directly in a JSON value."""
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()
