"""Reads what a chat says of functions: those that may be called, those that were, and what came of it."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from services.engine.errors import InvalidRequestError
from services.engine.routes.bodies import ChatBody, ChatMessage
from services.engine.tools.choice import NO_ARGUMENTS, Tool, ToolChoice

MOST_TOOLS: Final = 128
"""As OpenAI has it."""
NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
CHOICES: Final = ("none", "auto", "required")


def read_tool_choice(body: ChatBody) -> ToolChoice | None:
    """Return what may be called; None where nothing may. Raises: InvalidRequestError for what is not supported or
    does not fit together."""
    tools = read_tools(body.tools)
    choice = body.tool_choice
    if not tools and choice not in {None, "none", "auto"}:
        raise InvalidRequestError("tool_choice: there are no tools to choose.", param="tool_choice")
    if not tools or choice == "none":
        return None
    is_parallel = body.parallel_tool_calls is not False
    if choice is None or isinstance(choice, str):
        if choice not in {None, *CHOICES}:
            raise InvalidRequestError(f"tool_choice is {', '.join(CHOICES)}, or names a function.", param="tool_choice")
        return ToolChoice(tools, tools, choice == "required", is_parallel)
    named = _find_named(choice, tools)
    return ToolChoice(tools, (named,), is_required=True, is_parallel=False)


def read_tools(given: Sequence[dict[str, Any]] | None) -> tuple[Tool, ...]:
    """Return the functions of a request. Raises: InvalidRequestError for tools that are none, or for too many."""
    if len(given or ()) > MOST_TOOLS:
        raise InvalidRequestError(f"At most {MOST_TOOLS} tools are allowed.", param="tools")
    return tuple(_read_tool(tool, f"tools[{place}]") for place, tool in enumerate(given or ()))


def read_calls(message: ChatMessage, place: int) -> list[dict[str, Any]]:
    """Return the calls of an assistant's message as templates read them: arguments as an object where they are one.
    Raises: InvalidRequestError for calls of another role, or of another form."""
    calls = message.tool_calls or []
    if calls and message.role != "assistant":
        raise InvalidRequestError("Only the assistant calls functions.", param=f"messages[{place}].tool_calls")
    return [_read_call(call, f"messages[{place}].tool_calls[{number}]") for number, call in enumerate(calls)]


def _read_tool(tool: dict[str, Any], param: str) -> Tool:
    function = tool.get("function")
    if tool.get("type") != "function":
        raise InvalidRequestError(f"{param}.type: only functions are supported.", param=f"{param}.type")
    if not isinstance(function, dict) or not _is_name(function.get("name")):
        raise InvalidRequestError(
            f"{param}.function.name: give a name of {NAME.pattern}.", param=f"{param}.function.name"
        )
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidRequestError(
            f"{param}.function.parameters is no JSON schema.", param=f"{param}.function.parameters"
        )
    return Tool(function["name"], tool, parameters or NO_ARGUMENTS, function.get("strict") is True)


def _find_named(choice: dict[str, Any], tools: tuple[Tool, ...]) -> Tool:
    if choice.get("type") != "function":
        raise InvalidRequestError("tool_choice.type: only functions are supported.", param="tool_choice.type")
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    for tool in tools:
        if tool.name == name:
            return tool
    raise InvalidRequestError("tool_choice.function.name names none of the tools.", param="tool_choice.function.name")


def _read_call(call: dict[str, Any], param: str) -> dict[str, Any]:
    function = call.get("function")
    if call.get("type", "function") != "function" or not isinstance(function, dict):
        raise InvalidRequestError(f"{param}: only functions are supported.", param=param)
    name, arguments = function.get("name"), function.get("arguments", "")
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise InvalidRequestError(f"{param}.function: name and arguments are texts.", param=f"{param}.function")
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {"name": name, "arguments": _parse_arguments(arguments)},
    }


def _parse_arguments(arguments: str) -> Any:
    """A model may have written what is no JSON: it is told again as it stands."""
    try:
        parsed = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return parsed if isinstance(parsed, dict) else arguments


def _is_name(name: object) -> bool:
    return isinstance(name, str) and NAME.fullmatch(name) is not None
