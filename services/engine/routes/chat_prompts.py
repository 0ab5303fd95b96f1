"""From a chat's messages to the tokens that the model reads."""

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from services.engine.errors import InvalidRequestError
from services.engine.model.prompts import PromptEncoder
from services.engine.routes.bodies import ChatBody, ChatMessage
from services.engine.routes.requests import Target, encode_chat_text, encode_text
from services.engine.routes.tools import read_calls
from services.engine.tools.choice import Tool, ToolChoice
from services.engine.tools.conversation import Message, spell_plainly
from services.engine.tools.layout import is_spoken_by
from services.engine.training.conversations import serve_role

MESSAGE_CHARACTERS = 40
"""What a message costs the template beside its text, in characters to be tokenised."""
ROLES = {"system", "developer", "user", "assistant", "tool"}


def count_characters(body: ChatBody, choice: ToolChoice | None) -> int:
    """Return how much there is to be read: characters, and something for each message."""
    texts = [message.read_text(place) for place, message in enumerate(body.messages)]
    objects = [*(choice.told if choice is not None else ()), *(message.tool_calls for message in body.messages)]
    return sum(MESSAGE_CHARACTERS + len(text) for text in texts) + sum(len(str(item)) for item in objects if item)


def encode_prompt(body: ChatBody, target: Target, choice: ToolChoice | None) -> list[int]:
    """Return the tokens that ask for the next message."""
    return encode_messages(body.messages, target, choice.told if choice is not None else ())


def encode_messages(
    given: Sequence[ChatMessage], target: Target, told: Sequence[Tool], *, answer_follows: bool = True
) -> list[int]:
    """Return the prompt's tokens: for a model tuned on completions its own form, else the chat template's. Raises:
    InvalidRequestError for messages that are not supported, or that the template refuses."""
    messages = [read_message(message, place) for place, message in enumerate(given)]
    separator = target.entry.template.get("separator")
    if isinstance(separator, str):
        text = "\n".join(message["content"] for message in spell_plainly(messages, told))
        is_open = answer_follows and not (separator and text.endswith(separator))
        return encode_text(target.loaded, text + separator if is_open else text, "messages")
    try:
        text = render_messages(messages, target.loaded.prompts, told, answer_follows=answer_follows)
    except (TemplateError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"The model's chat template refuses these messages: {error}", param="messages"
        ) from error
    return encode_chat_text(target.loaded, text, "messages")


def render_messages(
    messages: Sequence[Message], prompts: PromptEncoder, told: Sequence[Tool], *, answer_follows: bool = True
) -> str:
    """Return the text that asks for the next message: functions in the template's own way where it has the one that we
    read, else in plain words."""
    if is_spoken_by(prompts.template):
        return prompts.render_chat(messages, answer_follows, [dict(tool.told) for tool in told] or None)
    return prompts.render_chat(spell_plainly(messages, told), answer_follows)


def read_message(message: ChatMessage, place: int) -> Message:
    """Return a message as chat templates read it. Raises: InvalidRequestError for what is not supported in one."""
    if message.role not in ROLES:
        raise InvalidRequestError(f"Role '{message.role}' is not supported.", param=f"messages[{place}].role")
    if message.function_call is not None:
        raise InvalidRequestError(
            "function_call is not supported: use tool_calls.", param=f"messages[{place}].function_call"
        )
    read: dict[str, Any] = {"role": serve_role(message.role), "content": message.read_text(place)}
    if calls := read_calls(message, place):
        read["tool_calls"] = calls
    if message.role == "tool":
        if not message.tool_call_id:
            raise InvalidRequestError(
                "A result says which call it belongs to.", param=f"messages[{place}].tool_call_id"
            )
        read["tool_call_id"] = message.tool_call_id
    return read
