"""How likely a model finds given texts: mean loss and token accuracy from a provider's log probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import StorymillError
from shared.outside.providers.border.answers import LlmAnswer

SCORING_BODY: Final = {"echo": True, "logprobs": 1, "max_tokens": 0, "temperature": 0}
"""OpenAI's way to ask for the probabilities of a prompt's own tokens, without a new one."""
TIE: Final = 1e-6
"""Log probabilities nearer than this are the same one, told twice."""


class CannotScoreError(StorymillError):
    """The provider does not tell how likely a text is, or the rows cannot be asked about in this way."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """Sums over the tokens of one or more completions."""

    negative_log_likelihood: float = 0.0
    tokens: int = 0
    correct: int = 0
    """Tokens that the model holds to be the most likely ones."""
    rows: int = 0

    def __add__(self, other: "TextScore") -> "TextScore":
        """Return the sums over both."""
        return TextScore(
            self.negative_log_likelihood + other.negative_log_likelihood,
            self.tokens + other.tokens,
            self.correct + other.correct,
            self.rows + other.rows,
        )

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood per token, in nats."""
        return self.negative_log_likelihood / self.tokens

    @property
    def accuracy(self) -> float:
        """Share of the tokens that were the most likely ones."""
        return self.correct / self.tokens


def score_answer(answer: LlmAnswer, prompt: str) -> TextScore:
    """Return the score of what follows `prompt` in a text that was asked about with SCORING_BODY. A token that begins
    inside the prompt counts as the prompt's. Raises: CannotScoreError when the answer has no log probabilities."""
    logprobs = (answer.extra or {}).get("logprobs")
    if not isinstance(logprobs, Mapping):
        raise CannotScoreError("the provider's answer has no log probabilities of the prompt (echo with logprobs)")
    try:
        rows = zip(
            logprobs["text_offset"],
            logprobs["token_logprobs"],
            logprobs.get("top_logprobs") or [None] * len(logprobs["token_logprobs"]),
            strict=True,
        )
        told = [(value, top) for offset, value, top in rows if offset >= len(prompt) and value is not None]
        return TextScore(
            -sum(float(value) for value, _ in told), len(told), sum(is_best(value, top) for value, top in told), 1
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CannotScoreError(f"the provider's log probabilities cannot be read: {error!r}") from error


def is_best(value: float, top: Any) -> bool:
    """Say whether a token is the most likely one; names of byte tokens are not unique, so values are compared."""
    return isinstance(top, Mapping) and bool(top) and value >= max(top.values()) - TIE
