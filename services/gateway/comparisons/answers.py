"""What the comparison routes answer, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Vote = Literal["model", "against", "tie"]


class JudgeName(BaseModel):
    """The model that votes."""

    model: str


class ComparisonResult(BaseModel):
    """What the votes came to; the model's losses on the held-out file stand beside them."""

    model_config = ConfigDict(extra="allow")
    pairs: int | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    win_rate: float | None = None
    interval: list[float] | None = None
    confidence: float | None = None
    swayed_by_order: float | None = None


class Comparison(BaseModel):
    """Two models on the same prompts."""

    id: str
    object: Literal["model_comparison"]
    status: Literal["queued", "running", "voting", "succeeded", "failed"]
    model: str
    against: str
    judge: JudgeName | Literal["human"]
    samples: int
    parameters: dict[str, Any]
    file: str | None
    result: ComparisonResult | None
    error: dict[str, Any] | None
    created_at: int
    finished_at: int | None


class NamedPair(BaseModel):
    """Two texts and whose they are."""

    object: Literal["model_comparison.pair"]
    position: int
    prompt: str
    prompt_against: str
    text: str | None
    text_against: str | None
    vote: Vote | None
    vote_swapped: Vote | None
    outcome: Vote | None
    voted_by: str | None


class BlindPair(BaseModel):
    """Two texts as people vote on them."""

    object: Literal["model_comparison.pair"]
    position: int
    prompt: str
    a: str | None
    b: str | None
    is_voted: bool
