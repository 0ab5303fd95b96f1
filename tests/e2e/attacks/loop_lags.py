"""How late event loops were between two moments, from the histogram that every process counts in."""

import re
from dataclasses import dataclass
from typing import Final

import httpx2

BUCKET: Final = re.compile(r'^storymill_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class LoopLags:
    """Sleepers counted by how late they woke at most, in seconds."""

    counts: dict[float, float]

    @classmethod
    def read(cls, url: str) -> "LoopLags":
        """Return the counts of a process since its start."""
        said = httpx2.get(f"{url}/metrics", timeout=30, trust_env=False).text
        return cls({float(bound): float(count) for bound, count in BUCKET.findall(said)})

    def since(self, before: "LoopLags") -> "LoopLags":
        """Return what was counted after `before`."""
        return LoopLags({bound: count - before.counts.get(bound, 0.0) for bound, count in self.counts.items()})

    def find_quantile(self, share: float) -> float:
        """Return the bound that so many of all stayed below."""
        total = max(self.counts.values(), default=0.0)
        return next((bound for bound in sorted(self.counts) if self.counts[bound] >= share * total), 0.0)
