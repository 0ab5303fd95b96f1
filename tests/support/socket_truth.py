"""Hold what comes over sockets to docs/asyncapi.yaml."""

import json
from functools import cache
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator, ValidationError
from websockets.asyncio.client import ClientConnection

from tests.support.stack import PROJECT_ROOT

Json = dict[str, Any]
PAGE = PROJECT_ROOT / "docs" / "asyncapi.yaml"


@cache
def load_asyncapi() -> Json:
    """Return the document."""
    document: Json = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
    return document


@cache
def compile_message(name: str) -> Draft202012Validator:
    """Return what checks a message by its name in the document."""
    components = load_asyncapi()["components"]
    return Draft202012Validator({**components["messages"][name]["payload"], "components": components})


def check_message(name: str, message: object) -> None:
    """Assert that a message is as declared."""
    try:
        compile_message(name).validate(message)
    except ValidationError as error:
        raise AssertionError(f"not as docs/asyncapi.yaml says: {str(message)[:300]}: {error.message[:300]}") from None


class TruthfulSocket(ClientConnection):
    """A client's end of `/v1/streams` that looks at everything it is sent."""

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message, which is as declared."""
        message = await super().recv(decode)
        check_message("fromServer", json.loads(message))
        return message


class TruthfulJobSocket(ClientConnection):
    """The same for the events of a job."""

    async def recv(self, decode: bool | None = None) -> Any:
        """Return the next message, which is as declared."""
        message = await super().recv(decode)
        check_message("jobMessage", json.loads(message))
        return message
