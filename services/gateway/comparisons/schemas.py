"""Bodies of the comparison routes."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from services.gateway.http.body_rules import need_exactly_one
from services.gateway.http.dependencies import ID_PATTERN
from services.gateway.http.request_body import RequestBody

ModelName = Annotated[str, Field(min_length=1, max_length=512)]
Format = Literal["completion", "chat"]
MOST_PAIRS = 200
OURS = frozenset({"model", "prompt", "messages", "stream", "stream_options", "n", "best_of"})


class Judge(RequestBody):
    """A model that votes."""

    model_config = ConfigDict(extra="forbid")
    model: ModelName
    format: Format = "chat"


class ComparisonRequest(RequestBody):
    """The body of `POST /v1/model_comparisons`. The prompts come from one of `prompts`, `file` and `generation`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=need_exactly_one("prompts", "file", "generation"))

    model: ModelName
    against: ModelName
    prompts: list[Annotated[str, Field(min_length=1, max_length=16_384)]] | None = Field(
        None, min_length=1, max_length=MOST_PAIRS
    )
    file: str | None = Field(None, pattern=ID_PATTERN, description="Rows of prompt and completion; scored too.")
    generation: str | None = Field(
        None, pattern=ID_PATTERN, description="Its cells; `against` is asked with the recipe's whole prompt."
    )
    long_prompt_template: str | None = Field(
        None, min_length=1, max_length=16_384, description="What `against` is asked: `{{ prompt }}` is the short one."
    )
    judge: Judge | Literal["human"]
    samples: int = Field(20, ge=1, le=MOST_PAIRS, description="Pairs; prompts beyond that are left out.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Which prompts are taken, when there are more.")
    format: Format | None = Field(None, description="How `model` is asked; its template's format unless given.")
    against_format: Format | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, description="max_tokens, temperature …, for both.")

    @model_validator(mode="after")
    def _check(self) -> "ComparisonRequest":
        if sum(source is not None for source in (self.prompts, self.file, self.generation)) != 1:
            raise ValueError("give one of prompts, file and generation")
        ours = sorted(OURS & set(self.parameters))
        if ours:
            raise ValueError(f"parameters: {', '.join(ours)} cannot be set")
        return self


class VoteRequest(RequestBody):
    """The body of a vote: `a` and `b` are the texts as they were shown."""

    model_config = ConfigDict(extra="forbid")
    position: int = Field(ge=0, lt=MOST_PAIRS)
    vote: Literal["a", "b", "tie"]
