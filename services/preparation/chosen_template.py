"""The template contract: what a prompt must end in and a generation stops at, as preparation chose it."""

from dataclasses import asdict, dataclass
from typing import Any

from services.preparation.conversation.column_profile import PairProfile
from services.preparation.rows.formats import TrainingFormat


@dataclass(frozen=True, slots=True)
class ChosenTemplate:
    """Handed to the model registry. `separator` and `stop` are None where the rows share none (chat, open-ended)."""

    format: TrainingFormat
    separator: str | None
    stop: str | None
    starts_with_space: bool
    max_tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The wire form."""
        return asdict(self)


def contract_of_pairs(profile: PairProfile, longest_completion_tokens: int | None = None) -> ChosenTemplate:
    """Read the contract off the prepared rows."""
    separator = profile.prompts.common_suffix
    return ChosenTemplate(
        "completion",
        separator or None,
        profile.completions.common_suffix or None,
        profile.starts_with_space and len(profile.first_characters) == 1,
        longest_completion_tokens,
    )


def contract_of_preference() -> ChosenTemplate:
    """Preference pairs are chats, told apart so that a job learns from them by a fitting method."""
    return ChosenTemplate("preference", None, None, starts_with_space=False)


def contract_of_chat(longest_completion_tokens: int | None = None) -> ChosenTemplate:
    """Chat templates bring their own separators and stops."""
    return ChosenTemplate("chat", None, None, starts_with_space=False, max_tokens=longest_completion_tokens)
