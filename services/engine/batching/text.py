"""Turns tokens into text as they come: whole characters only, and nothing of a stop string."""

from collections.abc import Sequence
from typing import Any

CONTEXT_TOKENS = 5
"""How much of the prompt is decoded along, so that a first token's leading space comes out right."""
REPLACEMENT = "\ufffd"


class TextStream:
    """Decodes one sequence. A character that is spread over several tokens comes out with the last of them."""

    def __init__(self, tokenizer: Any, prompt: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._tokens = list(prompt[-CONTEXT_TOKENS:])
        self._start = 0
        self._read = len(self._tokens)
        self._known = self._decode(self._start, self._read)

    def push(self, token: int) -> str:
        """Take a token and return the text that is now certain, often nothing."""
        self._tokens.append(token)
        text = self._decode(self._start, len(self._tokens))
        if text.endswith(REPLACEMENT) or len(text) <= len(self._known):
            return ""
        new = text[len(self._known) :]
        self._start, self._read = self._read, len(self._tokens)
        self._known = self._decode(self._start, self._read)
        return new

    def _decode(self, start: int, end: int) -> str:
        text: str = self._tokenizer.decode(
            self._tokens[start:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


class StopScanner:
    """Finds the first stop string in a growing text, holding back what might become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Return the text that may be shown, and whether a stop string was met (it is never shown)."""
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            shown, self._held = self._held[: min(found)], ""
            return shown, True
        keep = self._longest_beginning()
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown, False

    def flush(self) -> str:
        """Return what was held back: the text ended before it became a stop string."""
        shown, self._held = self._held, ""
        return shown

    def _longest_beginning(self) -> int:
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest
