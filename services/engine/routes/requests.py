"""From a checked body to a request in the batch; common to completions and chat."""

from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from fastapi import Request

from services.engine.batching.requests import Priority, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.errors import ContextLengthExceededError, InvalidRequestError
from services.engine.model.adapter import Adapter
from services.engine.registry import ModelEntry
from services.engine.routes.bodies import CommonBody
from services.engine.serving import LoadedModel, Serving

PRIORITY_HEADER = "x-storymill-priority"


class Prioritised(Protocol):
    """A body that may say how urgent it is."""

    priority: str | int | None


@dataclass(frozen=True)
class Target:
    """The model a request is for, ready to be used."""

    name: str
    entry: ModelEntry
    adapter: Adapter | None
    loaded: LoadedModel


def get_serving(request: Request) -> Serving:
    """Return the application's engine; a FastAPI dependency."""
    serving: Serving = request.app.state.serving
    return serving


async def find_target(serving: Serving, name: str | None) -> Target:
    """Look the model up and bring its adapter into memory.

    Raises: InvalidRequestError without a name, NotFoundError when no such model can be asked now, OverloadedError while
    the engine starts or has no room, ServerError when base or adapter cannot be served.
    """
    if not name:
        raise InvalidRequestError("you must provide a model parameter", param="model")
    entry = serving.registry.get_model(name)
    return Target(name, entry, await serving.fetch_adapter(entry, name), serving.get_loaded())


def encode_text(loaded: LoadedModel, text: str, param: str) -> list[int]:
    """Tokenise a prompt. Raises: InvalidRequestError for what is no valid Unicode, ContextLengthExceededError for what
    is too long whatever its tokens are."""
    _check_text(loaded, text, param)
    return loaded.prompts.encode_text(text)


def encode_bare_text(loaded: LoadedModel, text: str, param: str) -> list[int]:
    """Tokenise a text without the tokens that begin a prompt. Raises: as `encode_text`."""
    _check_text(loaded, text, param)
    return loaded.prompts.encode_bare_text(text)


def encode_chat_text(loaded: LoadedModel, text: str, param: str) -> list[int]:
    """Tokenise a rendered conversation. Raises: as `encode_text`."""
    _check_text(loaded, text, param)
    return loaded.prompts.encode_chat_text(text)


def check_tokens(tokens: Any, loaded: LoadedModel, param: str) -> list[int]:
    """Return a prompt that is given in tokens. Raises: InvalidRequestError for none, and for numbers that are no tokens
    of the model."""
    size = loaded.runner.vocabulary_size
    if not tokens or any(not 0 <= token < size for token in tokens):
        raise InvalidRequestError(f"{param} tokens must be numbers from 0 to {size - 1}.", param=param)
    return list(tokens)


def _check_text(loaded: LoadedModel, text: str, param: str) -> None:
    limit, of_token = loaded.runner.context_length, loaded.prompts.most_characters_of_token
    if len(text) > limit * of_token:
        raise ContextLengthExceededError(limit, ceil(len(text) / of_token), 1, param, is_counted=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{param} holds a lone surrogate: no valid Unicode.", param=param) from error


def settle_max_tokens(body: CommonBody, default: int | None, prompt: list[int], limit: int, param: str) -> int:
    """Return how many tokens may be written. Raises: ContextLengthExceededError if they do not fit."""
    room = limit - len(prompt)
    wanted = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    answer = max(1, min(default or room, room)) if wanted is None else wanted
    if answer > room:
        raise ContextLengthExceededError(limit, len(prompt), answer, param)
    return answer


def submit(
    serving: Serving, target: Target, sequences: list[SequenceRequest], body: Prioritised, request: Request
) -> RunningRequest:
    """Hand the sequences to the batch. Raises: OverloadedError when there is no room, ServerError once the engine
    stops, InvalidRequestError for more choices than a request may have."""
    if len(sequences) > serving.settings.max_choices_per_request:
        raise InvalidRequestError(
            f"At most {serving.settings.max_choices_per_request} choices per request (prompts x n).", param="n"
        )
    running = RunningRequest(sequences, read_priority(body, request))
    target.loaded.thread.submit(running)
    serving.metrics.prompt_tokens.inc(sum(len(sequence.prompt) for sequence in sequences))
    return running


def read_priority(body: Prioritised, request: Request) -> Priority:
    """Return the priority from header or body; interactive unless volume is asked for."""
    wanted = request.headers.get(PRIORITY_HEADER) or body.priority
    if wanted is None or isinstance(wanted, int):
        return Priority.INTERACTIVE
    try:
        return Priority(wanted.lower())
    except ValueError as error:
        raise InvalidRequestError("priority is 'interactive' or 'volume'.", param="priority") from error
