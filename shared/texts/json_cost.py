"""What a JSON body, or a line of a file, would cost, counted before it is parsed: a parser holds the interpreter's lock
to its end, so neither a thread nor a time-out would keep the event loop turning."""

from dataclasses import dataclass
from typing import Final

OPENINGS: Final = (b"[", b"{", b":")
GLANCES: Final = (256 * 1024, 1024 * 1024)
"""What is far too much is so from its beginning: that many bytes of a long body are counted first."""


@dataclass(frozen=True, slots=True)
class JsonBound:
    """How much may stand in one piece of JSON, and which settings say so."""

    nodes: int
    values: int
    nodes_setting: str
    values_setting: str

    def find_excess(self, body: bytes) -> str | None:
        """Return what is too much, as the end of a sentence; None when it may be parsed."""
        for length in GLANCES:
            if length < len(body) and (excess := self._find_excess_in(body[:length])) is not None:
                return excess
        return self._find_excess_in(body)

    def _find_excess_in(self, body: bytes) -> str | None:
        """Return the same of a body, or of its first part: a text that is cut counts nothing."""
        outside = body if self._surely_fits(body) else drop_strings(body, self.nodes + self.values + 2)
        if outside is not None and count_nodes(outside) > self.nodes:
            return f"more than {self.nodes} lists, objects and members ({self.nodes_setting})"
        if outside is None or outside.count(b",") > self.values:
            return f"more than {self.values} values ({self.values_setting})"
        return None

    def _surely_fits(self, body: bytes) -> bool:
        """Say whether a body is small enough even if all that stands in its strings counted."""
        return body.count(b",") <= self.values and count_nodes(body) <= self.nodes


def count_nodes(outside: bytes) -> int:
    """Return how many lists, objects and members begin in JSON without its strings."""
    return sum(map(outside.count, OPENINGS))


def drop_strings(body: bytes, most_strings: int) -> bytes | None:
    """Return a JSON body without what stands in its strings; None when it has more strings than values may be. What is
    no JSON is counted rightly as far as a parser would get."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 2 * most_strings:
        return None
    return b"".join(body.split(b'"')[::2])
