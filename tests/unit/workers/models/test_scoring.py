"""Scores out of a provider's log probabilities, and the judge's answers."""

from typing import Any

import pytest

from services.workers.models.judging import ask_judge, read_vote
from services.workers.models.scoring import CannotScoreError, TextScore, score_answer
from shared.outside.providers.border.answers import LlmAnswer


def answer(extra: dict[str, Any] | None) -> LlmAnswer:
    return LlmAnswer("ab cd", "length", 3, 0, "m", None, {}, extra)


def test_only_the_completions_tokens_count() -> None:
    logprobs = {
        "tokens": ["ab", " c", "d"],
        "text_offset": [0, 2, 4],
        "token_logprobs": [None, -1.0, -3.0],
        "top_logprobs": [None, {" c": -1.0}, {"x": -0.5, "d": -3.0}],
    }
    score = score_answer(answer({"logprobs": logprobs}), "ab")
    assert (score.tokens, score.correct, score.rows) == (2, 1, 1)
    assert score.loss == 2.0
    assert score.accuracy == 0.5
    assert score + TextScore() == score


@pytest.mark.parametrize("extra", [None, {"logprobs": {}}, {"logprobs": {"text_offset": [0], "token_logprobs": []}}])
def test_an_answer_without_log_probabilities_is_an_error(extra: dict[str, Any] | None) -> None:
    with pytest.raises(CannotScoreError):
        score_answer(answer(extra), "ab")


@pytest.mark.parametrize(
    ("said", "is_first", "vote"),
    [("A", True, "model"), ("A", False, "against"), (" b.", True, "against"), ("TIE", True, "tie"), ("?", True, "tie")],
)
def test_the_judges_word_is_read_by_the_order_shown(said: str, is_first: bool, vote: str) -> None:
    assert read_vote(said, model_is_first=is_first) == vote


def test_the_judge_sees_the_texts_in_the_order_given() -> None:
    question = ask_judge("chat", "task", "first text", "second text")["messages"][0]["content"]
    assert question.index("first text") < question.index("second text")
