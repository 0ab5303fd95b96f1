"""What a reviewer decides of a story, and what becomes of it."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

Json = dict[str, Any]

TAKEN_BACK: Final = "taken back"
MENDED: Final = "mended"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict or a mended text, and how the story stood when it was given."""

    number: int
    story_id: str
    body: Json
    seen_review: str | None
    seen_sha256: str | None

    @classmethod
    def of(cls, number: int, story: Json, body: Json) -> Self:
        """Return what was decided of a story as it is shown."""
        return cls(number, story["id"], body, story["review"], story["sha256"])

    @property
    def kind(self) -> tuple[str, str]:
        """What a later decision of this kind stands in for."""
        return self.story_id, "text" if "text" in self.body else "review"

    @property
    def word(self) -> str:
        """What was decided."""
        return MENDED if "text" in self.body else self.body["review"] or TAKEN_BACK

    def is_met_by(self, story: Json) -> bool:
        """Say whether a story is already as decided: sent before its answer was lost, or by another who agrees."""
        return all(story[name] == value for name, value in self.body.items())

    def is_of(self, story: Json) -> bool:
        """Say whether a story still is what the reviewer saw."""
        return (story["review"], story["sha256"]) == (self.seen_review, self.seen_sha256)

    def as_json(self) -> Json:
        """Return what is kept in a file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A decision that the gateway has not taken, and why."""

    decision: Decision
    because: str
    is_overtaken: bool = False
    """Another reviewer's verdict stands: sending it again, unseen, is no use to anybody."""


def describe_change(decision: Decision, story: Json) -> str:
    """Return what happened to a story since the reviewer saw it."""
    if story["sha256"] != decision.seen_sha256:
        return "somebody has changed its text since"
    theirs = story["review"]
    return f"somebody has {theirs} it since" if theirs else "somebody has taken its verdict back since"
