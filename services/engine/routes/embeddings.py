"""POST /v1/embeddings: where texts stand among one another, by the mean of a model's last states over their tokens."""

import asyncio
import base64
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.engine.batching.requests import SamplingOptions, SequenceRequest
from services.engine.batching.running_request import RunningRequest
from services.engine.errors import ContextLengthExceededError, InvalidRequestError, OverloadedError
from services.engine.routes.answers import answer_whole, gather_choices, gone
from services.engine.routes.bodies import EmbeddingBody
from services.engine.routes.requests import Target, check_tokens, encode_text, find_target, get_serving, submit
from services.engine.serving import LoadedModel, Serving
from services.engine.settings import EngineSettings

router = APIRouter()

PARAM = "input"
LOT_TOKENS = 2048
"""Tokens handed to the batch at once, unless one text has more: what a text that comes meanwhile waits for."""
ROOM_SECONDS = 0.02
"""How soon a lot that found the line full looks again: about a token's time."""


@router.post("/v1/embeddings")
async def create_embeddings(
    body: EmbeddingBody, request: Request, serving: Annotated[Serving, Depends(get_serving)]
) -> Response:
    """Embed one text or many."""
    inputs = list_inputs(body, serving.settings.max_embedding_inputs)
    target = await find_target(serving, body.model)
    check_dimensions(body, target.loaded)
    prompts = await serving.reading.run(sum(map(len, inputs)), lambda: read_inputs(inputs, target.loaded))
    vectors: list[bytes] = []
    for some in cut_lots(prompts, count_in_lot(serving.settings)):
        lot = [build_sequence(prompt, target) for prompt in some]
        running = await submit_lot(partial(submit, serving, target, lot, body, request), request, is_first=not vectors)
        embedded = await gather_choices(serving, running, request)
        if embedded is None:
            return gone()
        vectors += [choice.embedding for choice in embedded]
    size = sum(map(len, prompts))
    total = len(vectors[0]) * len(vectors)
    return await serving.reading.run(total, lambda: answer_whole(shape_embeddings(body, target.name, vectors, size)))


def count_in_lot(settings: EngineSettings) -> int:
    """Return the most texts that are handed to the batch at once: half of it, so that texts find room between them."""
    return min(max(1, settings.max_batch_size // 2), settings.max_choices_per_request)


async def submit_lot(hand_over: Callable[[], RunningRequest], request: Request, *, is_first: bool) -> RunningRequest:
    """Hand a lot to the batch; one after the first waits for room, or those before it were for nothing. Raises: as
    `submit`; OverloadedError for the first lot, and when nobody waits any more."""
    while True:
        try:
            return hand_over()
        except OverloadedError:
            if is_first or await request.is_disconnected():
                raise
            await asyncio.sleep(ROOM_SECONDS)


def list_inputs(body: EmbeddingBody, most: int) -> list[str | list[int]]:
    """Return what is to be embedded, one by one. Raises: InvalidRequestError for nothing, empty texts, or too many."""
    given: Any = body.input
    is_one = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
    inputs = [given] if is_one else list(given)
    if not inputs or not all(inputs):
        raise InvalidRequestError("input is empty, or has an empty text: there is nothing to embed.", param=PARAM)
    if len(inputs) > most:
        raise InvalidRequestError(
            f"input has {len(inputs)} texts; the most is {most} (STORYMILL_ENGINE_MAX_EMBEDDING_INPUTS).", param=PARAM
        )
    return inputs


def check_dimensions(body: EmbeddingBody, loaded: LoadedModel) -> None:
    """Raise InvalidRequestError for fewer dimensions than the model has: a part of them means nothing here."""
    size = loaded.runner.hidden_size
    if body.dimensions not in {None, size}:
        raise InvalidRequestError(
            f"This model's embeddings have {size} dimensions, and it was not trained to do with fewer: leave "
            "dimensions out.",
            param="dimensions",
        )


def read_inputs(inputs: list[str | list[int]], loaded: LoadedModel) -> list[list[int]]:
    """Return the inputs as tokens. Raises: InvalidRequestError for what is no text or no token of the model, or too
    long for its context."""
    limit = loaded.runner.context_length
    prompts = [
        encode_text(loaded, one, PARAM) if isinstance(one, str) else check_tokens(one, loaded, PARAM) for one in inputs
    ]
    longest = max(map(len, prompts))
    if longest > limit:
        raise ContextLengthExceededError(limit, longest, 0, PARAM)
    return prompts


def cut_lots(prompts: list[list[int]], most: int) -> Iterator[list[list[int]]]:
    """Yield the prompts in lots of at most so many, and of few tokens."""
    lot: list[list[int]] = []
    for prompt in prompts:
        if lot and (len(lot) == most or sum(map(len, lot)) + len(prompt) > LOT_TOKENS):
            yield lot
            lot = []
        lot.append(prompt)
    yield lot


def build_sequence(prompt: list[int], target: Target) -> SequenceRequest:
    """Return a prompt that is read for its embedding."""
    return SequenceRequest(prompt, max_tokens=0, sampling=SamplingOptions(), adapter=target.adapter, embeds=True)


def shape_embeddings(body: EmbeddingBody, model: str, vectors: list[bytes], prompt_tokens: int) -> dict[str, Any]:
    """Return OpenAI's list of embeddings."""
    spell = spell_base64 if body.encoding_format == "base64" else spell_floats
    data = [{"object": "embedding", "index": index, "embedding": spell(vector)} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def spell_base64(vector: bytes) -> str:
    """Return a vector as OpenAI's own client asks for it."""
    return base64.b64encode(vector).decode()


def spell_floats(vector: bytes) -> list[float]:
    """Return a vector as numbers."""
    return array("f", vector).tolist()
