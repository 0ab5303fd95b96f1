"""From a response request to the body of the chat that carries it out."""

from typing import Any, Final

from services.gateway.responses.schemas import ResponseRequest, TextFormat
from services.gateway.responses.unsupported import LOGPROBS, unsupported_value
from shared.errors import InvalidRequestError
from shared.http.answers import Json

AS_IT_IS: Final = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
)
"""What a chat calls the same."""
TOOL_CHOICES: Final = ("none", "auto", "required")


def build_chat_body(body: ResponseRequest, messages: list[Json]) -> Json:
    """Return the provider's body of one text. Raises: InvalidRequestError for what a chat cannot do."""
    given = {name: getattr(body, name) for name in AS_IT_IS}
    chat: dict[str, Any] = {
        "messages": messages,
        **given,
        "max_tokens": body.max_output_tokens,
        "reasoning_effort": body.reasoning.effort if body.reasoning else None,
        "verbosity": body.text.verbosity if body.text else None,
        "response_format": name_format(body.text.format) if body.text and body.text.format else None,
        "tools": [name_tool(tool, number) for number, tool in enumerate(body.tools or ())] or None,
        "tool_choice": name_choice(body.tool_choice) if body.tool_choice is not None else None,
        **name_logprobs(body),
    }
    if not chat["tools"]:
        if chat["tool_choice"] not in {None, "none", "auto"}:
            raise InvalidRequestError("tool_choice: there are no tools to choose.", param="tool_choice")
        chat["tool_choice"] = chat["parallel_tool_calls"] = None
    return {name: value for name, value in chat.items() if value is not None}


def name_format(asked: TextFormat) -> Json | None:
    """Return a chat's `response_format`."""
    if asked.type == "text":
        return None
    if asked.type == "json_object":
        return {"type": "json_object"}
    for name, value in (("name", asked.name), ("schema", asked.schema_)):
        if value is None:
            raise InvalidRequestError(f"text.format.{name}: a json_schema needs it.", param=f"text.format.{name}")
    return {"type": "json_schema", "json_schema": asked.model_dump(exclude={"type"}, exclude_none=True)}


def name_tool(tool: Json, number: int) -> Json:
    """Return a tool as a chat names it."""
    if tool.get("type") != "function":
        raise unsupported_value(f"tools.{number}.type", tool.get("type"), ["function"])
    if not isinstance(tool.get("name"), str):
        raise InvalidRequestError(f"tools.{number}.name: give the function a name.", param=f"tools.{number}.name")
    fields = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in fields if tool.get(name) is not None}}


def name_choice(choice: str | Json) -> str | Json:
    """Return a chat's `tool_choice`."""
    if isinstance(choice, str):
        if choice not in TOOL_CHOICES:
            raise unsupported_value("tool_choice", choice, [*TOOL_CHOICES, "a function"])
        return choice
    if choice.get("type") != "function":
        raise unsupported_value("tool_choice.type", choice.get("type"), ["function"])
    if not isinstance(choice.get("name"), str):
        raise InvalidRequestError("tool_choice.name: name the function.", param="tool_choice.name")
    return {"type": "function", "function": {"name": choice["name"]}}


def name_logprobs(body: ResponseRequest) -> Json:
    """Return a chat's two fields of log probabilities, if they are wanted."""
    if not body.top_logprobs and LOGPROBS not in (body.include or ()):
        return {}
    return {"logprobs": True, "top_logprobs": body.top_logprobs}
