"""Turns examples into token sequences that say which tokens are learned.

Every learned token stands after exactly the tokens that serving would have read before it: the prompt's as a request's
are made, then the answer's, then the token that ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.engine.model.prompts import PromptEncoder
from services.engine.training.conversations import TemplateRefusalError, TurnTexts, split_turns
from services.engine.training.examples import (
    CompletionExample,
    Example,
    PreferenceExample,
    Turn,
)


@dataclass(frozen=True)
class TrainingSequence:
    """Tokens of one example; `learned[i]` says whether token i belongs to what the model shall write.

    `emphasis` multiplies the loss of single tokens; without it all learned tokens count the same.
    """

    tokens: list[int]
    learned: list[bool]
    emphasis: list[float] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def learned_count(self) -> int:
        """How many tokens the model shall write; the first token is never one of them."""
        return sum(self.learned)


@dataclass(frozen=True)
class PreferencePair:
    """Two sequences with the same beginning: the better and the worse one."""

    preferred: TrainingSequence
    rejected: TrainingSequence


Encoded = TrainingSequence | PreferencePair


class EncodingError(Exception):
    """The example cannot be learned by this model; the message is the reason."""


class ExampleEncoder:
    """Encodes examples with a model's tokenizer and its chat template.

    `end_tokens` are those at which serving ends a text; `longest` is how far the base can count, None without bound.
    """

    def __init__(
        self,
        tokenizer: Any,
        maximum_tokens: int,
        *,
        end_tokens: Sequence[int] = (),
        longest: int | None = None,
    ) -> None:
        self._prompts = PromptEncoder(tokenizer)
        self._end_token: int = tokenizer.eos_token_id
        self._end_tokens = {*end_tokens, self._end_token}
        self._maximum_tokens = maximum_tokens
        self._longest = longest
        self.cut_count = 0

    def encode(self, example: Example) -> Encoded:
        """As `encode_all`, for an example that is one sequence. Raises: EncodingError for others too."""
        found = self.encode_all(example)
        if len(found) != 1:
            raise EncodingError(f"the model's chat template makes {len(found)} sequences of these turns")
        return found[0]

    def encode_all(self, example: Example) -> list[Encoded]:
        """Encode an example, cut to the maximum length at the end.

        A conversation is one sequence, or several where the template writes a turn in another way once it is past:
        then no single sequence is what serving would have asked for. Raises: EncodingError when the chat template
        refuses the turns, the base cannot count that far, or the cut leaves nothing to learn.
        """
        if isinstance(example, PreferenceExample):
            return [self._encode_pair(example)]
        if isinstance(example, CompletionExample):
            return [self._cut(self._encode_completion(example))]
        return [self._cut(sequence) for sequence in self._encode_turns(example.turns)]

    def _encode_pair(self, example: PreferenceExample) -> PreferencePair:
        """Only the two answers are learned."""
        prompt = tuple(Turn(turn.role, turn.content, learned=False) for turn in example.prompt)
        better, worse = (self._encode_turns((*prompt, answer)) for answer in (example.preferred, example.rejected))
        return PreferencePair(self._cut(better[-1]), self._cut(worse[-1]))

    def _encode_completion(self, example: CompletionExample) -> TrainingSequence:
        prompt = self._prompts.encode_text(example.prompt)
        answer = [*self._prompts.continue_text(example.completion), self._end_token]
        return _join(prompt, answer)

    def _encode_turns(self, turns: Sequence[Turn]) -> list[TrainingSequence]:
        try:
            texts = split_turns(turns, self._prompts)
        except TemplateRefusalError as error:
            raise EncodingError(str(error)) from error
        found: list[TrainingSequence] = []
        for place, turn in enumerate(texts):
            prompt = self._prompts.encode_chat_text(turn.prompt)
            answer = self._encode_answer(turn, prompt, is_last=place + 1 == len(texts))
            if found and prompt[: len(found[-1])] == found[-1].tokens:
                found[-1] = _extend(found[-1], prompt, answer)
            else:
                found.append(_join(prompt, answer))
        return found

    def _encode_answer(self, turn: TurnTexts, prompt: list[int], *, is_last: bool) -> list[int]:
        """The turn's tokens and, up to the first token that ends a text, those of its ending."""
        ending = turn.ending.rstrip("\n")
        tokens = self._prompts.continue_chat(turn.prompt, prompt, turn.answer + ending)
        for place, token in enumerate(tokens):
            if token in self._end_tokens:
                return tokens[: place + 1]
        return [*tokens, self._end_token] if is_last else tokens

    def _cut(self, sequence: TrainingSequence) -> TrainingSequence:
        limit = self._maximum_tokens
        if self._longest is not None and len(sequence) > self._longest < limit:
            raise EncodingError(f"it has {len(sequence)} tokens, and the base counts only to {self._longest}")
        if len(sequence) <= limit:
            return sequence
        learned = sequence.learned[:limit]
        if not any(learned):
            raise EncodingError(f"the prompt alone is longer than {limit} tokens")
        self.cut_count += 1
        return TrainingSequence(sequence.tokens[:limit], learned)


def _join(prompt: list[int], answer: list[int]) -> TrainingSequence:
    return TrainingSequence(prompt + answer, [False] * len(prompt) + [True] * len(answer))


def _extend(sequence: TrainingSequence, prompt: list[int], answer: list[int]) -> TrainingSequence:
    """Go on with the next turn, whose prompt begins with the whole sequence."""
    between = [False] * (len(prompt) - len(sequence))
    return TrainingSequence(prompt + answer, [*sequence.learned, *between, *[True] * len(answer)])
