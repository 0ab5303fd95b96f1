"""What a worker counts of its providers, for `/metrics`."""

from typing import Final

from prometheus_client import Counter, Gauge

from services.workers.providers.verdict import Verdict

VERDICT: Final = Gauge(
    "storymill_provider_verdict",
    "How a provider stands, as this process knows: 1 for the verdict that holds, 0 for the others.",
    ["provider", "verdict"],
)
VERDICT_CHANGES: Final = Counter(
    "storymill_provider_verdict_changes_total",
    "Verdicts that this process came to by its own calls.",
    ["provider", "verdict"],
)


def show_verdict(provider: str, now: Verdict) -> None:
    """Show the verdict that holds from now on."""
    for verdict in Verdict:
        VERDICT.labels(provider, verdict.value).set(verdict is now)
