"""Turns texts and conversations into the tokens that a model reads: one way, for serving and for training.

A conversation under the model's own template is tokenised as the template writes it, with the beginning-of-text token
that stands there or none; any other text gets what the tokenizer puts before a text, and never what it puts after one.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from services.engine.model.chat import build_chat_renderer

JOINTS = ("\n", "。", "\u241e")
"""Characters that hardly any tokenizer merges with what follows: after one of them a text goes on, and does not
begin."""
MOST_SHRINKING: Final = 4
"""How many times shorter a text may become before it is tokenised: three parts of a Korean syllable become one."""


class PromptEncoder:
    """Encodes with one tokenizer and its chat template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.render_chat = build_chat_renderer(tokenizer)
        self.has_own_template = tokenizer.chat_template is not None
        self.template: str = tokenizer.chat_template or ""
        self._prefix, self._suffix = _find_frame(tokenizer)
        self._opens_with_blank = self._decode(self.encode_bare_text("a") + self.encode_bare_text("b")) != "ab"

    @cached_property
    def most_characters_of_token(self) -> int:
        """How many characters of a text can become one token."""
        return MOST_SHRINKING * max(map(len, self.tokenizer.get_vocab()))

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a prompt, at least one: an end-of-text token stands for nothing at all."""
        tokens = [*self._prefix, *self.encode_bare_text(text)] if self._suffix else list(self.tokenizer(text).input_ids)
        return tokens or [self.tokenizer.eos_token_id]

    def encode_chat_text(self, text: str) -> list[int]:
        """Return the tokens of what `render_chat` gave."""
        return self.encode_bare_text(text) if self.has_own_template else self.encode_text(text)

    def continue_text(self, text: str) -> list[int]:
        """Return the tokens of a text that goes on from another: without the blank that some put before a first."""
        if not self._opens_with_blank:
            return self.encode_bare_text(text)
        for joint in JOINTS:
            before, both = self.encode_bare_text(joint), self.encode_bare_text(joint + text)
            if both[: len(before)] == before:
                return both[len(before) :]
        return self.encode_bare_text(text)

    def continue_chat(self, before: str, before_tokens: Sequence[int], text: str) -> list[int]:
        """Return the tokens of `text` as they stand after `before`, whose tokens stay as they are."""
        both = self.encode_chat_text(before + text)
        if both[: len(before_tokens)] == list(before_tokens):
            return both[len(before_tokens) :]
        return self.continue_text(text)

    def encode_bare_text(self, text: str) -> list[int]:
        """Return the tokens of a text and nothing before it; none for nothing."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def _decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))


def _find_frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the tokens that the tokenizer puts before and after every text."""
    body, whole = list(tokenizer("a", add_special_tokens=False).input_ids), list(tokenizer("a").input_ids)
    for start in range(len(whole) - len(body) + 1):
        if whole[start : start + len(body)] == body:
            return whole[:start], whole[start + len(body) :]
    return [], []
