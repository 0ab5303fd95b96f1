"""From a request for embeddings to its one row, and from the row to OpenAI's list."""

import base64
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from services.gateway.embeddings.schemas import EmbeddingRequest
from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.texts import OpenTexts
from services.gateway.wiring import Gateway
from shared.bounds import Bounds, setting_of
from shared.contracts.result_requests import list_inputs
from shared.errors import InvalidRequestError
from shared.http.answers import Json, JsonAnswer
from shared.stores.away import STORE_AWAY
from shared.stores.db.models import Completion
from shared.stores.db.repositories import completions

BASE64: Final = "base64"


def build_request(body: EmbeddingRequest, bounds: Bounds) -> Json:
    """Return the provider's body. Raises: InvalidRequestError for more texts than one request may have."""
    count, most = len(list_inputs(body.input)), bounds.max_embedding_inputs
    if count > most:
        message = f"input has {count} texts; the most is {most} ({setting_of('max_embedding_inputs')})."
        raise InvalidRequestError(message, param="input")
    return body.model_dump(exclude_unset=True, exclude_none=True, exclude={"model"})


def answer_embeddings(texts: OpenTexts, row: Completion, encoding_format: str | None) -> JsonAnswer:
    """Return the whole answer, written: long lists of numbers take a while."""
    spell: Callable[[str], Any] = str if encoding_format == BASE64 else spell_floats
    vectors = (row.extra or {})["result"]["vectors"]
    data = [{"object": "embedding", "index": index, "embedding": spell(vector)} for index, vector in enumerate(vectors)]
    content = {"object": "list", "data": data, "model": texts.model, "usage": shape_usage(row)}
    return JsonAnswer(content, headers=texts.headers)


async def forget_vectors(gateway: Gateway, claim: KeyClaim, texts: OpenTexts) -> None:
    """Drop vectors that are about to be told: no route tells them again, unless to an Idempotency-Key, and kept they
    would grow with every text that is looked up."""
    if claim.key is None:
        with suppress(*STORE_AWAY):
            async with gateway.database.transaction() as session:
                await completions.forget_results(session, texts.request_id)


def spell_floats(vector: str) -> list[float]:
    """Return the numbers of a vector that is kept in base64."""
    return array("f", base64.b64decode(vector)).tolist()


def shape_usage(row: Completion) -> Json | None:
    """Return the tokens of all texts, None where nobody counted them."""
    counted = row.prompt_tokens
    return None if counted is None else {"prompt_tokens": counted, "total_tokens": counted}
