"""What a provider says of texts without writing any: taken whole and sound, or not at all."""

import base64
from array import array
from typing import Any

import orjson
import pytest

from shared.outside.providers.border.answers import ResultKind
from shared.outside.providers.border.results import LlmResult, read_result
from shared.outside.providers.failures import FailureClass, LlmError

SOUND = [0.5, -0.25]
JUDGED = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}


def read(kind: ResultKind, body: dict[str, Any], inputs: int) -> LlmResult:
    return read_result(kind, orjson.dumps(body), {}, inputs)


def spell(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


def list_vectors(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]}


@pytest.mark.parametrize(
    "vectors",
    [
        (spell([0.5, float("nan")]),),
        (spell([float("inf"), 0.5]),),
        (["a", 0.5],),
        ([True, 0.5],),
        (SOUND, [0.5]),
        (spell(SOUND), [0.5, 0.25, 1.0]),
        ([],),
        (SOUND, None),
    ],
    ids=repr,
)
def test_vectors_that_no_client_can_reckon_with_are_malformed(vectors: tuple[Any, ...]) -> None:
    with pytest.raises(LlmError) as refused:
        read("embedding", list_vectors(*vectors), len(vectors))
    assert refused.value.failure_class is FailureClass.MALFORMED


@pytest.mark.parametrize(
    "results",
    [
        [JUDGED],
        [None, JUDGED],
        [JUDGED, JUDGED, JUDGED],
        [JUDGED, {**JUDGED, "flagged": "yes"}],
        [JUDGED, {**JUDGED, "categories": ["violence"]}],
        [JUDGED, {**JUDGED, "category_scores": 0.5}],
    ],
    ids=repr,
)
def test_a_moderation_that_could_be_of_other_texts_is_malformed(results: list[Any]) -> None:
    with pytest.raises(LlmError) as refused:
        read("moderation", {"results": results}, 2)
    assert refused.value.failure_class is FailureClass.MALFORMED


def test_a_moderation_of_each_text_passes() -> None:
    results = [JUDGED, {"flagged": None, "score": 1}]
    assert read("moderation", {"results": results}, 2).result == {"results": results}


@pytest.mark.parametrize(
    ("told", "tokens"),
    [({"prompt_tokens": 7}, 7), ({"total_tokens": 7}, 7), ({"prompt_tokens": 7, "total_tokens": 7}, 7), ({}, None)],
    ids=repr,
)
def test_tokens_of_texts_count_however_a_provider_calls_them(told: dict[str, int], tokens: int | None) -> None:
    usage = read("embedding", {**list_vectors(SOUND), "usage": told}, 1).usage
    assert (usage and (usage.prompt_tokens, usage.completion_tokens)) == (tokens and (tokens, 0))
