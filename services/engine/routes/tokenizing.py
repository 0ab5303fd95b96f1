"""POST /tokenize and /detokenize, GET /tokenizer_info: as vLLM and llama.cpp have them, for clients that count before
they ask. llama.cpp's clients are known by their `content`, and answered in its words."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.engine.errors import InvalidRequestError
from services.engine.model.chat import PLAIN_TEMPLATE
from services.engine.routes.bodies import ChatMessage, Objects, TokenIds
from services.engine.routes.chat_prompts import encode_messages
from services.engine.routes.requests import Target, encode_bare_text, encode_text, get_serving
from services.engine.routes.tools import read_tools
from services.engine.serving import Serving

router = APIRouter()
ServingDependency = Annotated[Serving, Depends(get_serving)]


class TokenizeBody(BaseModel):
    """A prompt, the messages of a chat, or llama.cpp's content. Without a model the base's; all models share its
    tokenizer."""

    model: str | None = None
    content: str | None = None
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False
    prompt: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True)] | None = None
    tools: Objects | None = None
    # vLLM's default: yes for a prompt, no for a chat, whose template says what it wants.
    add_special_tokens: bool | None = None
    add_generation_prompt: bool = True
    return_token_strs: bool = False
    continue_final_message: bool = False
    chat_template: Any = None
    chat_template_kwargs: Any = None
    mm_processor_kwargs: Any = None


class DetokenizeBody(BaseModel):
    """Tokens of a model."""

    model: str | None = None
    tokens: TokenIds


@router.post("/tokenize")
async def tokenize(body: TokenizeBody, serving: ServingDependency) -> dict[str, Any]:
    """Return the tokens that a request with this prompt, or these messages, would begin with."""
    check_tokenize(body)
    target = find_tokens_of(serving, body.model)
    characters = len(body.prompt or body.content or str(body.messages))
    if body.content is not None:
        return await serving.reading.run(characters, lambda: tokenize_content(body, target))
    tokens = await serving.reading.run(characters, lambda: tokenize_prompt(body, target))
    loaded = target.loaded
    return {
        "count": len(tokens),
        "max_model_len": loaded.runner.context_length,
        "tokens": tokens,
        "token_strs": loaded.tokenizer.convert_ids_to_tokens(tokens) if body.return_token_strs else None,
    }


@router.post("/detokenize")
async def detokenize(body: DetokenizeBody, serving: ServingDependency) -> dict[str, str]:
    """Return the text of tokens, special ones as they are called: under vLLM's name and under llama.cpp's."""
    loaded = find_tokens_of(serving, body.model).loaded
    size = loaded.runner.vocabulary_size
    if any(not 0 <= token < size for token in body.tokens):
        raise InvalidRequestError(f"tokens must be numbers from 0 to {size - 1}.", param="tokens")
    decode = loaded.tokenizer.decode
    text = await serving.reading.run(
        len(body.tokens), lambda: str(decode(body.tokens, clean_up_tokenization_spaces=False))
    )
    return {"prompt": text, "content": text}


@router.get("/tokenizer_info")
async def describe_served_tokenizer(serving: ServingDependency) -> dict[str, Any]:
    """What `tokenizer_config.json` says, as far as clients ask for it."""
    tokenizer = serving.get_loaded().tokenizer
    return {
        "tokenizer_class": type(tokenizer).__name__,
        "vocab_size": len(tokenizer),
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
        "pad_token": tokenizer.pad_token,
        "chat_template": tokenizer.chat_template or PLAIN_TEMPLATE,
    }


def find_tokens_of(serving: Serving, model: str | None) -> Target:
    """Return the model whose tokens are meant, without its adapter. Raises: NotFoundError when no such model can be
    asked now, OverloadedError while the engine starts."""
    name = model or serving.registry.base_name
    return Target(name, serving.registry.get_model(name), None, serving.get_loaded())


def check_tokenize(body: TokenizeBody) -> None:
    """Raise InvalidRequestError for what cannot be counted as it is asked."""
    for name in ("continue_final_message", "chat_template", "chat_template_kwargs", "mm_processor_kwargs"):
        if getattr(body, name):
            raise InvalidRequestError(f"{name} is not supported.", param=name)
    if not body.parse_special:
        raise InvalidRequestError("Special tokens in a text are always read as such.", param="parse_special")
    if body.messages is not None and body.add_special_tokens:
        raise InvalidRequestError("A chat's template says which tokens it wants.", param="add_special_tokens")
    if sum(given is not None for given in (body.prompt, body.messages, body.content)) != 1:
        raise InvalidRequestError("Give a prompt, or the messages of a chat, or content.", param="prompt")


def tokenize_prompt(body: TokenizeBody, target: Target) -> list[int]:
    """Return the tokens of a prompt or a chat. Raises: as `encode_text` and `encode_messages`."""
    if body.messages is not None:
        told = read_tools(body.tools)
        return encode_messages(body.messages, target, told, answer_follows=body.add_generation_prompt)
    has_frame = body.add_special_tokens is not False
    return (encode_text if has_frame else encode_bare_text)(target.loaded, body.prompt or "", "prompt")


def tokenize_content(body: TokenizeBody, target: Target) -> dict[str, Any]:
    """Return llama.cpp's answer: the tokens, or each with its piece of the text."""
    encode = encode_text if body.add_special else encode_bare_text
    tokens = encode(target.loaded, body.content or "", "content")
    if not body.with_pieces:
        return {"tokens": tokens}
    pieces = target.loaded.grammars.spell(tokens, "with_pieces")
    return {"tokens": [{"id": token, "piece": show_piece(piece)} for token, piece in zip(tokens, pieces, strict=True)]}


def show_piece(piece: bytes) -> str | list[int]:
    """Return a token's text, or its bytes where it is a part of a character."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return list(piece)
