"""The texts of a stream's chunks, made storable: some providers cut inside a character that JSON spells in halves."""

from shared.contracts.storable import REPLACEMENT, make_storable_text

FIRST_HALVES = ("\ud800", "\udbff")
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
