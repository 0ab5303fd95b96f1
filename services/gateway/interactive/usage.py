"""Tokens of a whole request: the sum of its texts, or nothing where a provider did not count one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.http.answers import Json
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import usage_of


@dataclass(slots=True)
class UsageSum:
    """Tokens of all choices of a request: each was a call of its own."""

    counted: list[Json] = field(default_factory=list)
    is_known: bool = True

    def add(self, usage: Json | None) -> None:
        """Count one choice's usage; one that nobody counted leaves the sum unknown: without it it would be wrong."""
        if usage is None:
            self.is_known = False
        else:
            self.counted.append(usage)

    def body(self) -> Json | None:
        """Return OpenAI's usage object, None where the sum is not known."""
        return sum_counts(self.counted) if self.is_known and self.counted else None


def sum_counts(counted: Sequence[Json]) -> Json:
    """Return the sum of counts, and of the details that were told of each of them."""
    names = [name for name in counted[0] if all(name in counts for counts in counted)]
    nested = {name for name in names if isinstance(counted[0][name], dict)}
    return {
        name: sum_counts([counts[name] for counts in counted])
        if name in nested
        else sum(counts[name] for counts in counted)
        for name in names
    }


def sum_usage(rows: Sequence[Completion]) -> Json | None:
    """Return the usage of all texts of a request."""
    usage = UsageSum()
    for row in rows:
        usage.add(usage_of(row))
    return usage.body()
