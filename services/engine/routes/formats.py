"""What a request wants its answers to look like: OpenAI's `response_format`, and vLLM's fields for guided texts."""

import json
from collections.abc import Callable
from typing import Any, Final

from services.engine.constraints.grammar import (
    Grammar,
    demand_choice,
    demand_grammar,
    demand_json,
    demand_match,
)
from services.engine.errors import InvalidRequestError
from services.engine.routes.bodies import CommonBody

GUIDED: Final = ("json", "json_object", "regex", "choice", "grammar")
"""What vLLM calls them: `guided_json`, or `json` within `structured_outputs`."""
ANY_OBJECT: Final = {"type": "object"}
SCHEMA: Final = "response_format.json_schema.schema"
LONGEST_TEXT: Final = 256 * 1024
"""Characters of a pattern or grammar, whatever the settings allow."""
FORMATS: Final = ("text", "json_object", "json_schema")


def read_grammar(body: CommonBody) -> Grammar | None:
    """Return what the answers are held to; None when they are free. Raises: InvalidRequestError for what is not
    supported, for two demands at once, and for what is no schema, pattern, list or grammar."""
    demands = [*_read_format(body), *_read_guided(body)]
    if len(demands) > 1:
        names = " and ".join(demand.param for demand in demands)
        raise InvalidRequestError(f"{names} exclude each other: give one.", param=demands[1].param)
    return demands[0] if demands else None


def check_endless(body: CommonBody, form: Grammar | None) -> None:
    """Raises: InvalidRequestError for a text that is to go on whatever comes, and to end where its form ends."""
    if body.ignore_eos and form is not None:
        raise InvalidRequestError(f"ignore_eos and {form.param} exclude each other: give one.", param="ignore_eos")


def read_json_format(body: CommonBody) -> dict[str, Any] | None:
    """Return the schema of the JSON that `response_format` asks for; None where it asks for text. Raises:
    InvalidRequestError for another format, or for one without a schema."""
    wanted = body.response_format or {}
    kind = wanted.get("type", "text")
    if kind not in FORMATS:
        raise InvalidRequestError(f"response_format.type is one of {', '.join(FORMATS)}.", param="response_format.type")
    if kind == "json_object":
        return ANY_OBJECT
    if kind == "text":
        return None
    described = wanted.get("json_schema")
    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        raise InvalidRequestError(f"{SCHEMA}: give a schema.", param=SCHEMA)
    return dict(described["schema"])


def _read_format(body: CommonBody) -> list[Grammar]:
    schema = read_json_format(body)
    if schema is None:
        return []
    described = (body.response_format or {}).get("json_schema") or {}
    param = "response_format" if schema is ANY_OBJECT else SCHEMA
    return [_build(demand_json, schema, param, lenient=described.get("strict") is not True)]


def _read_guided(body: CommonBody) -> list[Grammar]:
    for name in ("guided_whitespace_pattern", "guided_decoding_backend"):
        if getattr(body, name) is not None:
            raise InvalidRequestError(f"{name} is not supported.", param=name)
    given = {f"guided_{kind}": (kind, getattr(body, f"guided_{kind}")) for kind in GUIDED}
    for kind, value in (body.structured_outputs or {}).items():
        if value is not None and kind not in GUIDED:
            raise InvalidRequestError(f"{kind} is not supported.", param=f"structured_outputs.{kind}")
        given[f"structured_outputs.{kind}"] = (kind, value)
    found = (_demand(kind, value, param) for param, (kind, value) in given.items() if value is not None)
    return [grammar for grammar in found if grammar is not None]


def _demand(kind: str, value: Any, param: str) -> Grammar | None:
    if kind == "json_object" and isinstance(value, bool):
        return demand_json(ANY_OBJECT, param) if value else None
    if kind == "json" and isinstance(value, dict | str):
        return _build(demand_json, _parse_schema(value, param), param)
    if kind == "regex" and isinstance(value, str):
        return _build(demand_match, value, param)
    if kind == "choice" and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return _build(demand_choice, value, param)
    if kind == "grammar" and isinstance(value, str):
        return _build(demand_grammar, value, param)
    raise InvalidRequestError(f"{param} is not of the form that it should have.", param=param)


def _parse_schema(value: dict[str, Any] | str, param: str) -> dict[str, Any]:
    if not isinstance(value, str):
        return value
    try:
        schema = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{param} is no JSON: {error}", param=param) from error
    if not isinstance(schema, dict):
        raise InvalidRequestError(f"{param} is no JSON schema.", param=param)
    return schema


def _build(demand: Callable[..., Grammar], value: Any, param: str, **options: bool) -> Grammar:
    """Spell a demand out. Texts are looked at here already: a large one would hold the event loop up."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise InvalidRequestError(f"{param} has more than {LONGEST_TEXT} characters.", param=param)
    try:
        return demand(value, param, **options)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{param} cannot be read: {error}", param=param) from error
