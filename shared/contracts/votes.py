"""What the votes of a comparison come to: wins, ties, the win rate and how sure it is. Knows no model."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

Vote = Literal["model", "against", "tie"]

CONFIDENCE: Final = 0.95
STANDARD_ERRORS: Final = 1.959964
"""Of a normal distribution, to either side, for that confidence."""


@dataclass(frozen=True, slots=True)
class PairVotes:
    """The votes on one pair: with the model's text shown first, and shown second."""

    first: str | None
    second: str | None

    @property
    def outcome(self) -> Vote:
        """Who wins the pair: two votes that differ are a tie, for then the order decided."""
        votes = {vote for vote in (self.first, self.second) if vote is not None}
        if votes == {"model"}:
            return "model"
        return "against" if votes == {"against"} else "tie"

    @property
    def is_swayed(self) -> bool:
        """Whether the same place won both times, whatever stood there."""
        return {self.first, self.second} == {"model", "against"}


def tally(pairs: Iterable[PairVotes]) -> dict[str, Any]:
    """Return the result object: a tie is half a win; `interval` is Wilson's score interval of the win rate."""
    voted = [pair for pair in pairs if pair.first is not None or pair.second is not None]
    outcomes = [pair.outcome for pair in voted]
    wins, losses = outcomes.count("model"), outcomes.count("against")
    ties = len(outcomes) - wins - losses
    both = [pair for pair in voted if pair.first is not None and pair.second is not None]
    low, high = wilson_interval(wins + ties / 2, len(outcomes))
    return {
        "pairs": len(outcomes),
        "wins": wins,
        "losses": losses,
        "ties": ties,
        "win_rate": (wins + ties / 2) / len(outcomes) if outcomes else None,
        "interval": [low, high],
        "confidence": CONFIDENCE,
        "swayed_by_order": sum(pair.is_swayed for pair in both) / len(both) if both else None,
    }


def wilson_interval(wins: float, count: int, z: float = STANDARD_ERRORS) -> tuple[float, float]:
    """Return Wilson's score interval of a share (Wilson 1927): honest for few trials and for shares of 0 and 1."""
    if count == 0:
        return 0.0, 1.0
    share = wins / count
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
