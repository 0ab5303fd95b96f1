"""Near-duplicates are found and different texts are left alone, in any script."""

import random
import re

import numpy as np
import pytest

from services.preparation.near_duplicates.index import group_near_duplicates
from services.preparation.near_duplicates.signatures import hash_codes, normal_codes, sign_texts
from tests.unit.preparation.clean_sets import chinese_story, english_story


def exact_similarity(left: str, right: str) -> float:
    """The true Jaccard similarity of two texts' shingles, 0 to 1."""
    a, b = (np.unique(hash_codes(normal_codes([text])[0])) for text in (left, right))
    shared = len(np.intersect1d(a, b, assume_unique=True))
    union = len(a) + len(b) - shared
    return shared / union if union else 0.0


def _edit(text: str, share: float, chance: random.Random) -> str:
    letters = list(text)
    for _ in range(max(1, int(share * len(letters)))):
        letters[chance.randrange(len(letters))] = chance.choice("改写字句另外不同")
    return "".join(letters)


@pytest.mark.parametrize("make", [chinese_story, english_story])
def test_planted_near_duplicates_are_found_and_nothing_else(make) -> None:  # type: ignore[no-untyped-def]
    chance = random.Random(4)
    originals = [make(chance) + make(chance) for _ in range(1500)]
    copies = [_edit(text, 0.02, chance) for text in originals[:300]]
    groups = group_near_duplicates([originals, copies], 1800)
    found = {i - 1500 for i in range(1500, 1800) if groups[i] != i}
    joined = [(i, groups[i]) for i in range(1500) if groups[i] != i]
    wrong = sum(exact_similarity(originals[i], originals[first]) < 0.6 for i, first in joined)
    right = sum(groups[1500 + i] == groups[i] for i in found)
    assert len(found) / 300 >= 0.97
    assert right / len(found) >= 0.99
    assert wrong / 1500 <= 0.002


def test_estimates_agree_with_the_true_similarity() -> None:
    chance = random.Random(5)
    texts = [chinese_story(chance) * 2 for _ in range(200)]
    edited = [_edit(text, 0.05, chance) for text in texts]
    (left, _), (right, _) = sign_texts(texts), sign_texts(edited)
    estimated = (left == right).mean(axis=1)
    true = np.array([exact_similarity(a, b) for a, b in zip(texts, edited, strict=True)])
    assert abs(float((estimated - true).mean())) < 0.03
    assert float(np.abs(estimated - true).max()) < 0.2


def test_a_batch_is_normalised_as_each_text_is() -> None:
    texts = ["Ein_Haus, zwei Häuser!", "", "İstanbul ΣΑΣ", "从前，有座山。𠮷😀𝐀", "e\u0301 \x00 ٣ ²", "__", "\ud800x"]
    codes, lengths = normal_codes(texts)
    expected = [re.sub(r"[\W_]+", "", text.lower()) for text in texts]
    assert lengths.tolist() == [len(text) for text in expected]
    assert "".join(map(chr, codes)) == "".join(expected)


def test_case_space_and_punctuation_make_no_difference() -> None:
    groups = group_near_duplicates(
        [["The Hero met a Monster, near the river.", "the hero met a monster near the  river!"]], 2
    )
    assert groups.tolist() == [0, 0]


def test_short_texts_and_no_texts_are_left_alone() -> None:
    assert group_near_duplicates([["正面", "正面", ""]], 3).tolist() == [0, 1, 2]
    assert group_near_duplicates([], 0).tolist() == []


def test_batches_signed_in_parts_are_signed_as_each_text_alone() -> None:
    chance = random.Random(8)
    texts = [chinese_story(chance), "short", "Ὀδυσσεύς ΟΔΥΣΣΕΥΣ " * 9, "x" * 70_000, "", chinese_story(chance) * 300]
    signatures, is_signed = sign_texts(texts)
    alone = [sign_texts([text]) for text in texts]
    assert is_signed.tolist() == [bool(signed[0]) for _, signed in alone] == [True, False, True, True, False, True]
    assert np.array_equal(signatures, np.concatenate([one for one, _ in alone]))
