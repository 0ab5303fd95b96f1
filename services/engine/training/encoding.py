"""Turns examples into token sequences that say which tokens are learned.

A completion sequence is what serving will see: the prompt's tokens exactly as a request's are made, then the
completion's, then end of text. Chats are cut at the turns, so that a turn's tokens never depend on the answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from services.engine.training.examples import (
    CompletionExample,
    Example,
    PreferenceExample,
    Turn,
)

ChatRenderer = Callable[[list[dict[str, str]], bool], str]


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
    """Encodes examples with a model's tokenizer and its chat template."""

    def __init__(self, tokenizer: Any, render_chat: ChatRenderer, maximum_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._render_chat = render_chat
        self._maximum_tokens = maximum_tokens
        self.cut_count = 0

    def encode(self, example: Example) -> Encoded:
        """Encode an example, cut to the maximum length at the end. Raises EncodingError."""
        if isinstance(example, PreferenceExample):
            return self._encode_pair(example)
        if isinstance(example, CompletionExample):
            return self._cut(self._encode_completion(example))
        return self._cut(self._encode_turns(example.turns))

    def _encode_pair(self, example: PreferenceExample) -> PreferencePair:
        """Only the two answers are learned."""
        prompt = tuple(Turn(turn.role, turn.content, learned=False) for turn in example.prompt)
        better, worse = (self._encode_turns((*prompt, answer)) for answer in (example.preferred, example.rejected))
        return PreferencePair(self._cut(better), self._cut(worse))

    def _encode_completion(self, example: CompletionExample) -> TrainingSequence:
        prompt = self._prompt_tokens(example.prompt)
        answer = [*self._text_tokens(example.completion), self._tokenizer.eos_token_id]
        return TrainingSequence(prompt + answer, [False] * len(prompt) + [True] * len(answer))

    def _encode_turns(self, turns: Sequence[Turn]) -> TrainingSequence:
        tokens: list[int] = []
        learned: list[bool] = []
        for text, is_learned in self._cut_at_turns(turns):
            piece = self._text_tokens(text) if tokens else self._prompt_tokens(text)
            tokens += piece
            learned += [is_learned] * len(piece)
        end = self._tokenizer.eos_token_id
        if tokens[-1] != end:
            tokens.append(end)
            learned.append(turns[-1].learned)
        return TrainingSequence(tokens, learned)

    def _cut_at_turns(self, turns: Sequence[Turn]) -> list[tuple[str, bool]]:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        pieces: list[tuple[str, bool]] = []
        done = ""
        for position, turn in enumerate(turns):
            if not turn.learned:
                continue
            before = self._render(messages[:position], answer_follows=True)
            after = self._render(messages[: position + 1], answer_follows=False)
            if not before.startswith(done) or not after.startswith(before):
                raise EncodingError("the model's chat template does not keep these turns apart")
            pieces += [(before[len(done) :], False), (after[len(before) :].rstrip("\n"), True)]
            done = before + pieces[-1][0]
        return [(text, is_learned) for text, is_learned in pieces if text]

    def _render(self, messages: list[dict[str, str]], *, answer_follows: bool) -> str:
        try:
            return self._render_chat(messages, answer_follows)
        except (ValueError, TemplateError) as error:
            raise EncodingError(f"the model's chat template refuses these turns: {error}") from error

    def _prompt_tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text).input_ids)

    def _text_tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _cut(self, sequence: TrainingSequence) -> TrainingSequence:
        if len(sequence) <= self._maximum_tokens:
            return sequence
        learned = sequence.learned[: self._maximum_tokens]
        if not any(learned):
            raise EncodingError(f"the prompt alone is longer than {self._maximum_tokens} tokens")
        self.cut_count += 1
        return TrainingSequence(sequence.tokens[: self._maximum_tokens], learned)
