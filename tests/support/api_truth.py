"""Hold a gateway to its OpenAPI document: every answer that it gives in a test must be one that is declared.

Stands before the application, so that whoever asks is covered: our tests, official clients, a browser. A JSON answer
that is not as declared is replaced by status 599, which says why; what a stream tells otherwise is kept in `lies`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from jsonschema_rs import Draft202012Validator, ValidationError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.app import build_api
from services.gateway.http.contents import ITEM
from shared.observability.http import CLIENT_GONE

Json = dict[str, Any]
LIE_STATUS = 599
JSON_TYPE, EVENT_TYPE = "application/json", "text/event-stream"
BY_ANY_ROUTE = frozenset({404, 405})
"""Answered where no route is, which no document can declare."""
UNDECLARED_PAGES = re.compile(r"^/(console|docs|openapi\.json|static-offline-docs|redoc)")
ERROR = {"$ref": "#/components/schemas/ErrorAnswer"}


class UntrueError(Exception):
    """An answer is not as declared."""


@cache
def load_document() -> Json:
    """Return the gateway's document with every object closed that does not say that it is open: so that a field which
    is answered but not declared is found, too."""
    document = cast(Json, json.loads(json.dumps(build_api(cast(Any, None), cast(Any, None)).openapi())))
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


@cache
def compile_schema(schema: str) -> Draft202012Validator:
    """Return what checks a value against a schema (as JSON) of the document."""
    return Draft202012Validator({**json.loads(schema), "components": load_document()["components"]})


@cache
def list_paths() -> list[tuple[re.Pattern[str], re.Pattern[str], str]]:
    """Return the document's paths in its order, each with two patterns: a parameter is one step, or any number."""
    templates = [(re.split(r"\{\w+\}", path), path) for path in load_document()["paths"]]
    return [(re.compile(steps("[^/]+", parts)), re.compile(steps(".+", parts)), path) for parts, path in templates]


def steps(parameter: str, parts: list[str]) -> str:
    """Return the pattern of a path whose parameters match `parameter`."""
    return f"^{parameter.join(map(re.escape, parts))}$"


def find_operation(method: str, path: str) -> Json | None:
    """Return what is declared of a request; None where nothing is."""
    declared = load_document()["paths"]
    exactly = [template for pattern, _, template in list_paths() if pattern.match(path)]
    loosely = [template for _, pattern, template in list_paths() if pattern.match(path)]
    operations = (declared[template].get(method.lower()) for template in exactly or loosely)
    return next((operation for operation in operations if operation is not None), None)


def check_value(schema: Json, value: object) -> None:
    """Pass when a value is as declared. Raises: UntrueError that says where it is not."""
    try:
        compile_schema(json.dumps(schema)).validate(value)
    except ValidationError as error:
        raise UntrueError(f"{'/'.join(map(str, error.instance_path))}: {error.message[:400]}") from None


def find_content(method: str, path: str, status: int, media_type: str) -> Json:
    """Return what is declared of an answer's content. Raises: UntrueError when it is not declared."""
    operation = find_operation(method, path)
    if status == CLIENT_GONE:  # nobody reads it
        return {}
    if operation is None:
        if status in BY_ANY_ROUTE:
            return {"schema": ERROR}
        if UNDECLARED_PAGES.match(path):
            return {"schema": {}}
        raise UntrueError("no such route is declared")
    declared = operation["responses"].get(str(status))
    if declared is None:
        raise UntrueError(f"status {status} is not declared")
    content: Json = declared.get("content", {})
    if media_type not in content and (media_type or content):
        raise UntrueError(f"'{media_type}' is not declared for {status}")
    return cast(Json, content.get(media_type, {}))


@dataclass(slots=True)
class Exchange:
    """One request and what has been answered to it so far. A JSON answer is held back until it is whole."""

    method: str
    path: str
    send: Send
    lies: list[str]
    start: Message = field(default_factory=dict)
    content: Json = field(default_factory=dict)
    media_type: str = ""
    held_bytes: int = 0
    """Of a JSON answer that is held back: its length."""
    body: bytearray = field(default_factory=bytearray)

    async def take(self, message: Message) -> None:
        """Pass a message on once it is known to be true."""
        try:
            if message["type"] == "http.response.start":
                await self._take_start(message)
            elif self.held_bytes:
                await self._take_json(message)
            else:
                if self.media_type == EVENT_TYPE:
                    self.body += message.get("body", b"")
                    self._note_events()
                await self.send(message)
        except UntrueError as error:
            await self._tell_lie(error)

    async def _take_start(self, message: Message) -> None:
        self.start, headers = message, Headers(raw=message["headers"])
        self.media_type = headers.get("content-type", "").split(";")[0]
        self.content = find_content(self.method, self.path, message["status"], self.media_type)
        if self.media_type == JSON_TYPE:
            self.held_bytes = int(headers["content-length"])
        else:
            await self.send(message)

    async def _take_json(self, message: Message) -> None:
        self.body += message.get("body", b"")
        if len(self.body) < self.held_bytes and message.get("more_body"):
            return
        self.held_bytes = 0
        check_value(self.content["schema"], json.loads(self.body))
        await self.send(self.start)
        await self.send({**message, "body": bytes(self.body)})

    async def _tell_lie(self, error: UntrueError) -> None:
        lie = f"{self.method} {self.path} → {self.start['status']}: {error}"
        self.lies.append(lie)
        await self.send({"type": "http.response.start", "status": LIE_STATUS, "headers": []})
        await self.send({"type": "http.response.body", "body": lie.encode()})
        self.send, self.media_type = drop, ""

    def _note_events(self) -> None:
        for data in self._take_events():
            try:
                if data != "[DONE]":
                    check_value(self.content[ITEM], json.loads(data))
            except UntrueError as error:
                self.lies.append(f"{self.method} {self.path} tells {data[:300]}: {error}")

    def _take_events(self) -> Iterator[str]:
        while b"\n\n" in self.body:
            event, _, self.body = self.body.partition(b"\n\n")
            yield from (line[6:].decode() for line in event.split(b"\n") if line.startswith(b"data: "))


async def drop(_message: Message) -> None:
    """Send nothing: the answer was replaced."""


class Truthful:
    """An application whose answers are held to its document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.lies: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and look at what is answered."""
        if scope["type"] != "http" or scope["method"] in ("OPTIONS", "HEAD"):
            await self._app(scope, receive, send)
            return
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        exchange = Exchange(scope["method"], path, send, self.lies)
        await self._app(scope, receive, exchange.take)
