"""What a moderation answers, as it is told to machines: the provider's own words of each text."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class ModerationResult(BaseModel):
    """What is said of one text; further fields are the provider's."""

    model_config = ConfigDict(extra="allow")
    flagged: bool | None = None
    categories: dict[str, Any] | None = None
    category_scores: dict[str, Any] | None = None


class Moderation(BaseModel):
    """OpenAI's object of a moderation."""

    id: str
    model: str
    results: list[ModerationResult]
