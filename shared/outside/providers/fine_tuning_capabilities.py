"""What each provider of the fine-tuning protocol can do: one table, and how a provider's entry is found.

For the gateway (what may be asked for) and the workers (how to ask)."""

from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import urlsplit

from shared.outside.providers.configuration import ENGINE, OPENAI, Provider

Adoption = Literal["metadata", "suffix", "training_file"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. The defaults are those of OpenAI's present protocol."""

    adoption: Adoption = "metadata"
    """How a job that was made just before a crash is known again: by a metadata entry, by a part of its suffix that
    only we give, or by the uploaded file, which no other job uses."""
    suffix: bool = True
    validation_file: bool = True
    seed: bool = True
    method: bool = True
    """Takes `method`; without it the hyperparameters go to the top level, and only supervised training is known."""
    events: bool = True
    event_page: int = 100
    checkpoints: bool = True
    pause: bool = True
    result_files: bool = True
    list_files: bool = True
    """Lists files by purpose, so that one uploaded just before a crash is found again."""
    scoring: bool = False
    """Scores prompts: completions with `echo`, `logprobs` and no new token."""
    running_poll_seconds: float = 0.5
    slowest_poll_seconds: float = 5.0
    """While nothing happens the polls become as rare as this."""
    relative_learning_rate: bool = True
    """`learning_rate_multiplier`; without it the provider takes an absolute rate and ours is left out."""


GENERIC: Final = Capabilities(adoption="training_file")
"""Little is taken for granted; a pause that is refused is told in an event."""
TABLE: Final[dict[str, Capabilities]] = {
    ENGINE: Capabilities(scoring=True, slowest_poll_seconds=1.0),
    OPENAI: Capabilities(slowest_poll_seconds=10.0),
    "azure": Capabilities(adoption="training_file", slowest_poll_seconds=10.0),
    "nebius": Capabilities(adoption="training_file", pause=False, slowest_poll_seconds=10.0),
    "generic": GENERIC,
}
HOSTS: Final = {
    "api.openai.com": OPENAI,
    "azure.com": "azure",
    "nebius.com": "nebius",
    "nebius.ai": "nebius",
}


def find_capabilities(provider: Provider) -> Capabilities:
    """Return what a provider can do: its kind's entry of the table, with what `providers.toml` says over it."""
    return replace(TABLE[find_kind(provider)], **dict(provider.fine_tuning))


def find_kind(provider: Provider) -> str:
    """Return the table's entry for a provider: by its name, then by its host, else `generic`."""
    if provider.name in TABLE:
        return provider.name
    host = urlsplit(provider.base_url).hostname or ""
    return next((kind for ending, kind in HOSTS.items() if host == ending or host.endswith(f".{ending}")), "generic")
