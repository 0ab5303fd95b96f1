"""What OpenAI's responses have and chats have not: refused with the name of the field, never ignored."""

from typing import Any, Final

from services.gateway.responses.schemas import ResponseRequest
from shared.errors import InvalidRequestError

LOGPROBS: Final = "message.output_text.logprobs"
INCLUDES: Final = frozenset({LOGPROBS, "reasoning.encrypted_content", "message.input_image.image_url"})
"""What may be asked to be included: these are there, or (encrypted reasoning) no provider of a chat has any."""
FIELDS: Final = {
    "conversation": "conversations are not kept here: go on with previous_response_id",
    "prompt": "prompt templates are not kept here: send the text itself as instructions and input",
    "context_management": "no context is compacted here: send fewer items",
    "moderation": "nothing is moderated here: POST /v1/moderations says who does",
    "background_options": "a background response runs as soon as a worker is free",
}


def refuse_unsupported(body: ResponseRequest) -> None:
    """Pass for a request that can be carried out whole. Raises: InvalidRequestError that names the first field that
    cannot."""
    for name, value in (body.model_extra or {}).items():
        if value is None:
            continue
        if name in FIELDS:
            raise InvalidRequestError(
                f"{name}: not supported, {FIELDS[name]}.", param=name, code="unsupported_parameter"
            )
        raise InvalidRequestError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for number, name in enumerate(body.include or ()):
        if name not in INCLUDES:
            raise unsupported_value(f"include.{number}", name, sorted(INCLUDES))
    if body.background and body.store is False:
        raise InvalidRequestError(
            "background: only a stored response can be fetched later: leave out store.", param="background"
        )


def unsupported_value(param: str, value: Any, supported: list[str]) -> InvalidRequestError:
    """Return the error of a value that only OpenAI itself knows."""
    message = f"{param}: '{value}' is not supported here. Supported: {', '.join(supported)}."
    return InvalidRequestError(message, param=param, code="unsupported_value")
