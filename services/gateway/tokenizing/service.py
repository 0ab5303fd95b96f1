"""Ask the server of a model for its tokens: whoever has the tokenizer counts, and the gateway counts nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.models.naming import model_not_found, name_model
from services.gateway.tokenizing.answers import Tokenized, TokenizerInfo
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError, NotFoundError, RateLimitedError
from shared.http.answers import Json
from shared.outside.providers.border.json_values import read_object
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import FailureClass, LlmError

TIMEOUT_SECONDS: Final = 30.0
"""A server counts the longest prompt in a second, and may have others to count first."""
NO_SUCH_ROUTE: Final = frozenset({401, 403, 404, 405, 501})
"""How servers answer to what they do not serve; some ask for a key first."""
OF_THE_MODEL: Final = frozenset({"model_not_found", "model_unavailable"})
TOKENIZER_UNKNOWN: Final = "tokenizer_unknown"
CONTENT: Final = "content"
"""llama.cpp's word for a prompt. Its server passes over all others, and answers with no tokens and no count."""


@dataclass(frozen=True, slots=True)
class AskedServer:
    """Who counts a model's tokens, and what it calls the model; None: it has only one."""

    provider: Provider
    model: str | None


async def tokenize(gateway: Gateway, caller: Principal, asked: str | None, body: Json) -> Json:
    """Return the tokens of a prompt or a chat. Raises: as `ask`; InvalidRequestError where the server passed over what
    it was asked about."""
    raw, server = await ask(gateway, caller, asked, "POST", "/tokenize", body)
    try:
        answer = read_object(raw)
        told = Tokenized.model_validate(answer)
    except (LlmError, ValidationError) as error:
        raise tells_no_tokens(server) from error
    if told.count is None and CONTENT not in body:
        raise knows_content_alone(server)
    return answer  # written anew from `told`, tens of thousands of tokens would hold the loop


async def detokenize(gateway: Gateway, caller: Principal, asked: str | None, body: Json) -> Json:
    """Return the text of tokens, under both names that clients look for. Raises: as `ask`."""
    raw, server = await ask(gateway, caller, asked, "POST", "/detokenize", body)
    try:
        answer = read_object(raw)
    except LlmError as error:
        raise tells_no_tokens(server) from error
    text = answer.get("prompt", answer.get("content"))
    if not isinstance(text, str):
        raise tells_no_tokens(server)
    return {"prompt": text, "content": text}


async def describe_tokenizer(gateway: Gateway, caller: Principal, asked: str | None) -> Json:
    """Return what the server says of a model's tokenizer. Raises: as `ask`."""
    raw, server = await ask(gateway, caller, asked, "GET", "/tokenizer_info", None)
    try:
        return TokenizerInfo.model_validate(read_object(raw)).model_dump()
    except (LlmError, ValidationError) as error:
        raise tells_no_tokens(server) from error


async def ask(
    gateway: Gateway, caller: Principal, asked: str | None, method: str, path: str, body: Mapping[str, Any] | None
) -> tuple[bytes, AskedServer]:
    """Return what the model's server answers at a path of its own.

    Raises: NotFoundError for the model, and where its server does not count at all; InvalidRequestError for what it
    does not count; RateLimitedError while it is busy or starts; LlmError when it fails."""
    server = await find_server(gateway, caller, asked)
    named = {} if server.model is None else {"model": server.model}
    told = None if body is None else {**body, **named}
    try:
        return await gateway.llm_client.ask_server(server.provider, method, path, told, TIMEOUT_SECONDS), server
    except LlmError as error:
        raise translate(error, server) from error


async def find_server(gateway: Gateway, caller: Principal, asked: str | None) -> AskedServer:
    """Return who counts: the server of the model, or without one the default provider's. Raises: NotFoundError for a
    model that nobody serves, InvalidRequestError without a model where there is no default."""
    providers = gateway.catalog.providers
    if asked is None and providers.default is not None:
        return AskedServer(providers.default, None)
    named = await name_model(gateway, caller, asked)
    provider = providers.find(named.listed.provider)
    if provider is None:
        raise model_not_found(named.asked)
    return AskedServer(provider, named.name)


def translate(error: LlmError, server: AskedServer) -> Exception:
    """Return what the client is told of a failure."""
    if error.failure_class is FailureClass.NOT_FOUND and error.code in OF_THE_MODEL:
        return NotFoundError(error.message, param="model", code=error.code)
    if error.upstream_status in NO_SUCH_ROUTE:
        return tells_no_tokens(server)
    if error.failure_class is FailureClass.INVALID_REQUEST:
        return InvalidRequestError(error.message, param=error.param, code=error.code)
    if error.failure_class is FailureClass.RATE_LIMITED:
        return RateLimitedError(error.message, retry_after_seconds=error.retry_after_seconds or 1.0)
    return error


def knows_content_alone(server: AskedServer) -> InvalidRequestError:
    """Return the error for a prompt or a chat that the server has not counted, though it answered."""
    return InvalidRequestError(
        f"The provider '{server.provider.name}' counts in llama.cpp's words alone: send the text as 'content', with "
        "'add_special' true for the tokens that begin a prompt.",
        param=CONTENT,
    )


def tells_no_tokens(server: AskedServer) -> NotFoundError:
    """Return the error for a model whose tokenizer nobody here knows, with what to do."""
    of_model = "" if server.model is None else f" of the model '{server.model}'"
    return NotFoundError(
        f"The provider '{server.provider.name}'{of_model} counts no tokens for others: its tokenizer is not known "
        "here. Count with the provider's own tokenizer, or name a model of the built-in engine, vLLM or llama.cpp.",
        param="model",
        code=TOKENIZER_UNKNOWN,
    )
