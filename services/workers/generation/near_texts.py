"""Texts that are nearly another story's, where the recipe takes none such: signed before the settlement, compared in
it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncSession

from services.preparation.near_duplicates.bucket_keys import find_bucket_keys
from services.preparation.near_duplicates.index import NEAR_SIMILARITY
from services.preparation.near_duplicates.signatures import sign_texts
from services.workers.generation.run import Run, break_rule
from services.workers.generation.story_call import CallResult
from shared.stores.db.repositories.near_texts import NewNearText, TakenText, add_near_texts, find_candidates

EVERY_BYTE: Final = np.uint64(0x0101010101010101)
HIGHEST_BYTE: Final = np.uint64(56)
"""Times the one, then shifted by the other, is the sum of a number's eight bytes, while that fits a byte."""


@dataclass(frozen=True, slots=True)
class SignedText:
    """What a text is compared by."""

    signature: NDArray[np.uint16]
    keys: NDArray[np.int64]


SignedTexts = Mapping[str, SignedText]
"""By attempt; short texts have none."""


class KnownTexts:
    """Signatures of stories, looked through all at once; room for so many `more`."""

    def __init__(self, story_ids: list[str], signatures: NDArray[np.uint16], more: int) -> None:
        self._story_ids = story_ids
        self._signatures = np.concatenate((signatures, np.zeros((more, signatures.shape[1]), np.uint16)))
        self._equal = np.zeros(self._signatures.shape, np.bool_)

    def find_near(self, story_id: str, signature: NDArray[np.uint16]) -> tuple[str, float] | None:
        """Return the story that a text is most like, and how much, if that is another and near; else None."""
        equal = self._count_equal(signature)
        near = np.flatnonzero(equal >= NEAR_SIMILARITY * len(signature))
        others = [place for place in near.tolist() if self._story_ids[place] != story_id]
        best = max(others, key=equal.__getitem__, default=None)
        return None if best is None else (self._story_ids[best], float(equal[best] / len(signature)))

    def _count_equal(self, signature: NDArray[np.uint16]) -> NDArray[np.uint64]:
        """Return how many values each known signature has in common with one. Eight truths are added at a time, as the
        bytes of a number, and the bytes in its highest: half the time of counting them."""
        known = len(self._story_ids)
        equal = np.equal(self._signatures[:known], signature, out=self._equal[:known])
        counts: NDArray[np.uint64] = (equal.view(np.uint64).sum(axis=1) * EVERY_BYTE) >> HIGHEST_BYTE
        return counts

    def add(self, story_id: str, signature: NDArray[np.uint16]) -> None:
        """Take a text in."""
        self._signatures[len(self._story_ids)] = signature
        self._story_ids.append(story_id)


async def sign_results(run: Run, results: Sequence[CallResult]) -> SignedTexts:
    """Sign the texts of a run that takes no near ones, beside the loop."""
    texts = {result.call.attempt_id: result.answer.text for result in results if result.answer and not result.error}
    return await asyncio.to_thread(sign, texts, run.order.id) if texts and run.takes_no_near_text else {}


def sign(texts: Mapping[str, str], scope: str) -> dict[str, SignedText]:
    """Return what texts are compared by, of those that are long enough."""
    signatures, is_signed = sign_texts(list(texts.values()))
    keys = find_bucket_keys(signatures, scope)
    signed = zip(texts, signatures, keys, is_signed.tolist(), strict=True)
    return {name: SignedText(signature, found) for name, signature, found, is_long in signed if is_long}


async def refuse_near(
    session: AsyncSession, run: Run, results: Sequence[CallResult], signed: SignedTexts
) -> list[CallResult]:
    """Return the results, those whose text is nearly that of another story as broken rules; keep the texts of the
    others. `signed`: of the answers that their rows would take. Call it in the transaction that settles them, after
    `lock_near_texts`."""
    if not signed:
        return list(results)
    keys: list[int] = np.concatenate([one.keys for one in signed.values()]).tolist()
    candidates = await find_candidates(session, run.order.id, keys)
    # Where the texts of a run are much alike these are thousands for each: the loop has leases to renew.
    judged, taken = await asyncio.to_thread(compare, results, signed, candidates)
    if taken:
        await add_near_texts(session, run.order.id, taken)
    return judged


def compare(
    results: Sequence[CallResult], signed: SignedTexts, candidates: Sequence[TakenText]
) -> tuple[list[CallResult], list[NewNearText]]:
    """Return the results, judged one after the other, and the texts that are taken: one for a story, the first."""
    length = len(next(iter(signed.values())).signature)
    signatures = np.frombuffer(b"".join(one.signature for one in candidates), np.uint16).reshape(-1, length)
    known = KnownTexts([one.story_id for one in candidates], signatures, len(signed))
    taken: dict[str, NewNearText] = {}
    judged = [judge(result, signed.get(result.call.attempt_id), known, taken) for result in results]
    return judged, list(taken.values())


def judge(result: CallResult, text: SignedText | None, known: KnownTexts, taken: dict[str, NewNearText]) -> CallResult:
    """Return a result, as a broken rule if its text is near a known one; else the text is known from now on."""
    if text is None or result.answer is None:
        return result
    story_id = result.call.story_id
    near = known.find_near(story_id, text.signature)
    if near is not None:
        breach = f"near_duplicate: {near[1]:.0%} like {near[0]}"
        return replace(result, error=break_rule(breach, result.answer))
    known.add(story_id, text.signature)
    values: list[Any] = text.keys.tolist()
    taken.setdefault(story_id, NewNearText(story_id, text.signature.tobytes().hex(), values))
    return result
