"""The texts of a stream's chunks, made storable: some providers cut inside a character that JSON spells in halves."""

from typing import Any, Final

from shared.contracts.storable import REPLACEMENT, make_storable_json, make_storable_text

FIRST_HALVES: Final = ("\ud800", "\udbff")
"""The range of the halves that come first."""


class TextJoiner:
    """Holds the half of a character back until the other one comes, or something else does."""

    def __init__(self) -> None:
        self._half = ""

    @property
    def holds_half(self) -> bool:
        """Whether the next text must be joined with what is held back."""
        return bool(self._half)

    def join(self, text: str) -> str:
        """Return what of the text so far is whole and was not returned yet, storable."""
        if not text or (text.isascii() and not self._half):
            return make_storable_text(text)
        text, self._half = self._half + text, ""
        if FIRST_HALVES[0] <= text[-1] <= FIRST_HALVES[1]:
            text, self._half = text[:-1], text[-1]
        return make_storable_text(text)

    def finish(self) -> str:
        """Return what stands for a half that stayed alone; an empty text if there is none."""
        had_half, self._half = bool(self._half), ""
        return REPLACEMENT if had_half else ""


class DeltaJoiner:
    """Does that for all texts of a stream: the answer's, and those beside it (reasoning, arguments of tool calls)."""

    def __init__(self) -> None:
        self._text = TextJoiner()
        self._beside: dict[str, TextJoiner] = {}
        self._arguments: dict[int, TextJoiner] = {}
        self.holds_half = False
        """Whether the next delta must be joined with what is held back."""

    def join(self, text: str, extra: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return a delta's text and the fields beside it, storable, as far as they are whole."""
        joined = {name: self._join_field(name, value) for name, value in extra.items()}
        kept = {name: value for name, value in joined.items() if value != ""}
        text = self._text.join(text)
        joiners = (self._text, *self._beside.values(), *self._arguments.values())
        self.holds_half = any(joiner.holds_half for joiner in joiners)
        return text, make_storable_json(kept)

    def finish(self) -> tuple[str, dict[str, Any]]:
        """Return what stands for halves that stayed alone."""
        beside: dict[str, Any] = {name: mark for name, joiner in self._beside.items() if (mark := joiner.finish())}
        marks = {index: mark for index, joiner in self._arguments.items() if (mark := joiner.finish())}
        if marks:
            beside["tool_calls"] = [{"index": at, "function": {"arguments": mark}} for at, mark in marks.items()]
        return self._text.finish(), beside

    def _join_field(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._beside.setdefault(name, TextJoiner()).join(value)
        if name == "tool_calls":
            return [self._join_call(piece) for piece in value]
        return value

    def _join_call(self, piece: dict[str, Any]) -> dict[str, Any]:
        function = piece.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
            return piece
        joiner = self._arguments.setdefault(piece["index"], TextJoiner())
        return {**piece, "function": {**function, "arguments": joiner.join(function["arguments"])}}
