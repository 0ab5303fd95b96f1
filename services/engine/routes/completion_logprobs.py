"""Describes how likely tokens are in the words of /v1/completions: parallel lists, with the place of each token."""

from collections.abc import Sequence
from typing import Any

from services.engine.batching.requests import TokenLogprob
from services.engine.batching.text import TextStream

Described = dict[str, list[Any]]


class LogprobDescriber:
    """Keeps, for each choice of one answer, how far its text has been described."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._texts: dict[int, str] = {}
        self._offsets: dict[int, int] = {}

    def decode(self, tokens: list[int]) -> str:
        """Return the tokens' text, without special tokens."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def describe_prompt(self, prompt: Sequence[int], scores: Sequence[TokenLogprob]) -> Described:
        """Describe a scored prompt; its first token stands after nothing and has no probability (null)."""
        stream = TextStream(self._tokenizer, [])
        offsets, offset = [], 0
        for token in prompt:
            offsets.append(offset)
            offset += len(stream.push(token))
        described = self._describe(scores, offsets)
        described["tokens"].insert(0, self._name(prompt[0]))
        described["token_logprobs"].insert(0, None)
        described["top_logprobs"].insert(0, None)
        return described

    def describe_answer(self, index: int, tokens: Sequence[TokenLogprob], echo_length: int) -> Described:
        """Describe the next tokens of choice `index`, whose text begins after `echo_length` characters."""
        offset = self._offsets.get(index, echo_length)
        offsets = []
        for one in tokens:
            offsets.append(offset)
            offset += len(self._name(one.token))
        self._offsets[index] = offset
        return self._describe(tokens, offsets)

    def _describe(self, tokens: Sequence[TokenLogprob], offsets: list[int]) -> Described:
        return {
            "tokens": [self._name(one.token) for one in tokens],
            "token_logprobs": [one.logprob for one in tokens],
            "top_logprobs": [{self._name(token): value for token, value in one.top} for one in tokens],
            "text_offset": offsets,
        }

    def _name(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = self.decode([token])
        return self._texts[token]


def join_described(first: Described, second: Described) -> Described:
    """Describe the prompt and then the answer as one text."""
    return {name: first[name] + second[name] for name in first}
