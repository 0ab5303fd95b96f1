"""`POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`, beside /v1, where clients look for them."""

from typing import Annotated

from fastapi import Query

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import NEEDS_READ, keyed_router
from services.gateway.tokenizing import service
from services.gateway.tokenizing.answers import Detokenized, Tokenized, TokenizerInfo
from services.gateway.tokenizing.schemas import DetokenizeRequest, TokenizeRequest
from shared.http.answers import Json, JsonAnswer

router = keyed_router("tokens", prefix="")


@router.post(
    "/tokenize", summary="Count the tokens of a prompt or a chat", response_model=Tokenized, openapi_extra=NEEDS_READ
)
async def tokenize(body: TokenizeRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the tokens that a request with this prompt, or these messages, would begin with, as the model's own server
    counts them."""
    return JsonAnswer(await service.tokenize(gateway, caller, body.model, given(body)))


@router.post("/detokenize", summary="Spell out tokens", response_model=Detokenized, openapi_extra=NEEDS_READ)
async def detokenize(body: DetokenizeRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the text that tokens stand for."""
    return JsonAnswer(await service.detokenize(gateway, caller, body.model, given(body)))


@router.get("/tokenizer_info", summary="Describe a model's tokenizer", response_model=TokenizerInfo)
async def describe_tokenizer(
    gateway: GatewayDep, caller: Caller, model: Annotated[str | None, Query(min_length=1, max_length=512)] = None
) -> JsonAnswer:
    """Return class, special tokens and chat template."""
    return JsonAnswer(await service.describe_tokenizer(gateway, caller, model))


def given(body: TokenizeRequest | DetokenizeRequest) -> Json:
    """Return the fields that are given and not null: those that go to the server."""
    return body.model_dump(exclude_unset=True, exclude_none=True)
