"""Tokens of a whole request: the sum of its texts, or nothing where a provider did not count one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.http.answers import Json
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import usage_of


@dataclass(slots=True)
class UsageSum:
    """Tokens of all choices of a request: each was a call of its own."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_known: bool = True

    def add(self, usage: Json | None) -> None:
        """Count one choice's usage; one that nobody counted leaves the sum unknown: without it it would be wrong."""
        if usage is None:
            self.is_known = False
            return
        self.prompt_tokens += usage["prompt_tokens"]
        self.completion_tokens += usage["completion_tokens"]

    def body(self) -> Json | None:
        """Return OpenAI's usage object, None where the sum is not known."""
        if not self.is_known:
            return None
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def sum_usage(rows: Sequence[Completion]) -> Json | None:
    """Return the usage of all texts of a request."""
    usage = UsageSum()
    for row in rows:
        usage.add(usage_of(row))
    return usage.body()
