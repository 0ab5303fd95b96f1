"""Texts that come one by one, held to those that came before."""

import random
from dataclasses import replace

import numpy as np
import pytest

from services.preparation.near_duplicates.bucket_keys import BANDS, find_bucket_keys
from services.preparation.near_duplicates.signatures import sign_texts
from services.workers.generation.near_texts import KnownTexts, SignedText, compare, judge, sign
from services.workers.generation.story_call import CallResult, StoryCall
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.failures import FailureClass

NO_TEXTS = np.zeros((0, 128), np.uint16)


def invent(chance: random.Random, characters: int = 200) -> str:
    """A text unlike all others."""
    return "".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(characters))


def edit(text: str, chance: random.Random, characters: int) -> str:
    """A text with so many characters changed."""
    letters = list(text)
    for place in chance.sample(range(len(letters)), characters):
        letters[place] = chr(chance.randrange(0x9000, 0x9FA0))
    return "".join(letters)


def answer(number: int, text: str) -> CallResult:
    """The answer of a story's call."""
    call = StoryCall(f"story_{number}", 1, f"att_{number}", "写", None)
    return CallResult(call, LlmAnswer(text, "stop", 1, 2, "m", f"req_{number}", {}), None)


def share_a_bucket(left: list[str], right: list[str], scopes: tuple[str, str] = ("a", "a")) -> float:
    """How many of the pairs do."""
    keys = [find_bucket_keys(sign_texts(texts)[0], scope) for texts, scope in zip((left, right), scopes, strict=True)]
    return float((keys[0] == keys[1]).any(axis=1).mean())


def test_near_texts_share_a_bucket_and_others_do_not() -> None:
    chance = random.Random(7)
    texts = [invent(chance) for _ in range(400)]
    assert share_a_bucket(texts, [edit(text, chance, 4) for text in texts]) > 0.98
    assert share_a_bucket(texts, [invent(chance) for _ in texts]) < 0.01
    assert share_a_bucket(texts, texts, ("a", "b")) < 0.01, "runs know nothing of one another"


def test_keys_fit_the_column_and_are_the_same_everywhere() -> None:
    [keys] = find_bucket_keys(np.arange(128, dtype=np.uint16)[None, :], "gen_1")
    assert (len(keys), keys.dtype) == (BANDS, np.int64)
    assert keys[:2].tolist() == find_bucket_keys(np.arange(128, dtype=np.uint16)[None, :], "gen_1")[0, :2].tolist()
    assert len(set(keys.tolist())) == BANDS


def test_the_second_of_two_near_texts_is_refused_and_names_the_first() -> None:
    chance = random.Random(8)
    first, other = invent(chance), invent(chance)
    texts = {"att_0": first, "att_1": edit(first, chance, 2), "att_2": other, "att_3": "短", "att_4": "短"}
    signed = sign(texts, "gen_1")
    assert set(signed) == {"att_0", "att_1", "att_2"}, "short texts are alike too easily"
    judged, taken = compare([answer(number, text) for number, text in enumerate(texts.values())], signed, [])
    errors = [result.error for result in judged]
    assert [error is None for error in errors] == [True, False, True, True, True]
    assert errors[1] is not None
    assert errors[1].failure_class is FailureClass.RULE_BROKEN
    assert errors[1].message.startswith("near_duplicate: ")
    assert errors[1].message.endswith(" like story_0")
    assert [one.story_id for one in taken] == ["story_0", "story_2"]
    assert bytes.fromhex(taken[0].signature_hex) == signed["att_0"].signature.tobytes()


def test_a_story_is_not_like_itself() -> None:
    text = invent(random.Random(9))
    signature = sign_texts([text])[0][0]
    known = KnownTexts(["story_0"], signature[None, :], 0)
    assert known.find_near("story_0", signature) is None
    assert known.find_near("story_1", signature) == ("story_0", 1.0)


def test_of_two_answers_for_one_story_the_first_is_kept() -> None:
    chance = random.Random(11)
    texts = {"att_0": invent(chance), "att_1": invent(chance)}
    signed = sign(texts, "gen_1")
    late = replace(answer(0, texts["att_1"]), call=StoryCall("story_0", 2, "att_1", "写", None))
    judged, taken = compare([answer(0, texts["att_0"]), late], signed, [])
    assert [result.error for result in judged] == [None, None]
    assert [one.signature_hex for one in taken] == [signed["att_0"].signature.tobytes().hex()]


def test_a_likeness_is_counted_exactly() -> None:
    known = KnownTexts(["a", "b"], np.stack([np.arange(128), np.arange(128)]).astype(np.uint16), 1)
    known.add("c", np.where(np.arange(128) < 90, np.arange(128), 999).astype(np.uint16))
    assert known.find_near("a", np.arange(128, dtype=np.uint16)) == ("b", 1.0)
    assert known.find_near("c", np.full(128, 7, np.uint16)) is None
    assert known.find_near("d", np.where(np.arange(128) < 90, 999, np.arange(128)).astype(np.uint16)) is None


@pytest.mark.parametrize("text", ["", "短", "x" * 19, "!" * 500])
def test_a_text_that_says_too_little_is_not_compared(text: str) -> None:
    assert sign({"a": text}, "gen_1") == {}
    result = answer(0, text)
    assert judge(result, None, KnownTexts([], NO_TEXTS, 5), {}) is result


def test_what_is_signed_is_what_is_stored() -> None:
    [signed] = sign({"a": invent(random.Random(10))}, "gen_1").values()
    assert isinstance(signed, SignedText)
    again = np.frombuffer(bytes.fromhex(signed.signature.tobytes().hex()), np.uint16)
    assert (again == signed.signature).all()
