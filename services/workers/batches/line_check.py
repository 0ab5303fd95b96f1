"""One line of a batch's file: what it asks for, or what is wrong with it, in OpenAI's words and codes. Knows nothing of
the other lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.workers.batches.file_lines import FileLine
from shared.contracts.batches import ENDPOINT_KINDS
from shared.contracts.storable import cut_text, encode_storable_json, holds_nul, is_nested_deeper
from shared.texts.json_cost import JsonBound

LONGEST_CUSTOM_ID: Final = 512
LONGEST_MODEL: Final = 512
LONGEST_SHOWN: Final = 100
"""Characters of what a line says, as an error repeats it."""


@dataclass(frozen=True, slots=True)
class LineError:
    """An entry of `errors.data`."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What a sound line asks for."""

    custom_id: str
    model: str
    body: dict[str, Any]


def read_line(line: FileLine, endpoint: str, bound: JsonBound) -> BatchRequest | list[LineError]:
    """Return the request of a line, or everything that is wrong with it."""
    if line.is_cut:
        return [LineError("line_too_long", "This line is longer than a request's body may be.", line.number)]
    if (excess := bound.find_excess(line.content)) is not None:
        return [LineError("line_too_long", f"This line holds {excess}.", line.number)]
    try:
        parsed = orjson.loads(line.content)
    except orjson.JSONDecodeError as error:
        message = f"This line is not parseable as valid JSON: {cut_text(str(error), LONGEST_SHOWN)}."
        return [LineError("invalid_json_line", message, line.number)]
    if not isinstance(parsed, dict):
        return [LineError("invalid_json_line", "This line is JSON, but no object.", line.number)]
    errors = [
        LineError(code, message, line.number, param)
        for code, message, param in (*find_frame_faults(parsed, endpoint), *find_body_faults(parsed, endpoint))
    ]
    return errors or BatchRequest(parsed["custom_id"], parsed["body"]["model"], parsed["body"])


Fault = tuple[str, str, str]
"""Code, message, and the parameter that is at fault."""


def find_frame_faults(parsed: dict[str, Any], endpoint: str) -> Iterator[Fault]:
    """Yield what is wrong around the body."""
    custom_id = parsed.get("custom_id")
    if custom_id is None:
        yield "missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id"
    elif not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_CUSTOM_ID or holds_nul(custom_id):
        yield "invalid_custom_id", f"'custom_id' is a text of 1 to {LONGEST_CUSTOM_ID} characters.", "custom_id"
    if parsed.get("method") != "POST":
        yield "invalid_method", f"'method' is {show(parsed.get('method'))}; a batch takes \"POST\" alone.", "method"
    if parsed.get("url") != endpoint:
        said = f"'url' is {show(parsed.get('url'))}, and the batch is for {endpoint}"
        yield "invalid_url", f"{said}: all lines go to its endpoint.", "url"


def find_body_faults(parsed: dict[str, Any], endpoint: str) -> Iterator[Fault]:
    """Yield what is wrong with the body; what a provider may judge is left to it."""
    body = parsed.get("body")
    if not isinstance(body, dict):
        yield "missing_required_parameter", "Missing required parameter: 'body', an object.", "body"
        return
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= LONGEST_MODEL:
        yield "missing_required_parameter", "Missing required parameter: 'body.model', a text.", "body.model"
    if is_nested_deeper(body):
        yield "invalid_request", "'body' is nested too deeply.", "body"
    if body.get("stream"):
        yield "unsupported_parameter", "'stream' is of no use in a batch: leave it out.", "body.stream"
    if body.get("n") not in (None, 1):
        yield "unsupported_parameter", "A line is answered once: send a line for each of the 'n' texts.", "body.n"
    if body.get("best_of") not in (None, 1):
        yield "unsupported_parameter", "A line is answered once: leave 'best_of' out.", "body.best_of"
    if ENDPOINT_KINDS[endpoint] == "chat":
        if not is_conversation(body.get("messages")):
            yield "missing_required_parameter", "'body.messages' is a list of messages, one at least.", "body.messages"
    elif not is_one_prompt(body.get("prompt")):
        yield "missing_required_parameter", "'body.prompt' is one text, or one list of token ids.", "body.prompt"


def is_conversation(messages: object) -> bool:
    """Say whether a value may be a chat's messages."""
    return isinstance(messages, list) and bool(messages) and all(isinstance(message, dict) for message in messages)


def is_one_prompt(prompt: object) -> bool:
    """Say whether a value may be one prompt: a text, or token ids."""
    if isinstance(prompt, list):
        return bool(prompt) and all(type(token) is int for token in prompt)
    return isinstance(prompt, str)


def show(value: object) -> str:
    """Return a value as an error repeats it."""
    return "missing" if value is None else cut_text(encode_storable_json(value).decode(), LONGEST_SHOWN)
