"""From a completion request to one body per text, and from rows and events to OpenAI's objects."""

from collections.abc import Sequence
from typing import Any, Final

from services.gateway.completions.schemas import CompletionRequest, provider_fields
from services.gateway.interactive.extras import merge_extras
from services.gateway.interactive.follow import Piece
from services.gateway.interactive.texts import OpenTexts
from services.gateway.interactive.usage import sum_usage
from shared.clock import unix_seconds
from shared.contracts.stream.frames import End
from shared.contracts.whole_choices import shape_text_choice
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import told_of

OURS: Final = frozenset({"model", "prompt", "n", "best_of", "stream", "stream_options", "seed", "timeout"})
"""Fields that we carry out ourselves. (`timeout` is sent by the legacy client and means nothing to a server.)"""


def split_request(body: CompletionRequest) -> list[dict[str, Any]]:
    """Return one provider body per text: prompts × n, with `index` = prompt index × n + k. Raises: InvalidRequestError
    when there is no prompt, or `best_of` is not `n`."""
    n = body.n or 1
    if (body.best_of or n) != n:
        raise InvalidRequestError("best_of is supported only when it equals n.", param="best_of")
    prompts = body.prompts()
    if not prompts:
        raise InvalidRequestError("prompt: give at least one prompt.", param="prompt")
    fields = provider_fields(body, OURS)
    return [{**fields, **choose_seed(body.seed, k), "prompt": prompt} for prompt in prompts for k in range(n)]


def choose_seed(seed: int | None, k: int) -> dict[str, int]:
    """Return the seed of the k-th of `n` texts: with one seed for all they would all be the same."""
    return {} if seed is None else {"seed": seed + k if seed + k < 2**63 else seed - k}


def head(texts: OpenTexts) -> Json:
    """Return what an answer and each of its chunks begin with."""
    return {
        "id": f"cmpl-{texts.unique_part}",
        "object": "text_completion",
        "created": unix_seconds(texts.created_at),
        "model": texts.model,
    }


def shape_completion(texts: OpenTexts, rows: Sequence[Completion]) -> Json:
    """Return the whole answer."""
    choices = [
        shape_text_choice(row.choice_index, row.text, merge_extras(row.extra), row.finish_reason) for row in rows
    ]
    return {**head(texts), "choices": choices, "usage": sum_usage(rows), **(told_of(rows[0]) or {})}


class CompletionChunks:
    """Chunks of a streamed completion."""

    def __init__(self, texts: OpenTexts, *, include_usage: bool) -> None:
        self._head = head(texts)
        self._tail: Json = {"usage": None} if include_usage else {}

    def opening(self, index: int) -> Json | None:
        """Completions have no opening chunk."""
        return None

    def piece(self, piece: Piece) -> Json:
        """Return the chunk of new text."""
        return self._chunk(piece.index, piece.text, (piece.extra or {}).get("logprobs"), None)

    def finish(self, index: int, end: End) -> Json:
        """Return the last chunk of a choice: legacy clients want `text` in it too."""
        self._head |= end.told or {}
        return self._chunk(index, "", None, end.finish_reason)

    def usage(self, usage: Json | None) -> Json:
        """Return the chunk of the whole request's usage."""
        return {**self._head, "choices": [], "usage": usage}

    def _chunk(self, index: int, text: str, logprobs: Any, finish_reason: str | None) -> Json:
        choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}
        return {**self._head, "choices": [choice], **self._tail}
