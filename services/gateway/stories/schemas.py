"""Bodies of the story routes."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.gateway.http.request_body import RequestBody

Review = Literal["accepted", "rejected"]
StoryStatus = Literal["queued", "running", "succeeded", "failed", "rejected", "cancelled"]


class StoryReview(RequestBody):
    """The body of `PATCH /v1/stories/{id}`: what is given is set."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})
    review: Review | None = Field(None, description="null takes a review back.")
    text: str | None = Field(None, min_length=1, max_length=1_000_000, description="The corrected story.")

    @model_validator(mode="after")
    def _check_given(self) -> "StoryReview":
        if not self.model_fields_set:
            raise ValueError("give 'review', 'text' or both")
        if "text" in self.model_fields_set and self.text is None:
            raise ValueError("text: a story cannot be taken away; set review to 'rejected'")
        return self


class Story(BaseModel):
    """One story of a run."""

    id: str
    object: Literal["story"]
    generation_id: str
    attributes: dict[str, Any]
    repeat: int
    position: int
    prompt: str | None
    text: str | None
    original_text: str | None
    status: StoryStatus
    attempt: int
    failure: dict[str, Any] | None
    finish_reason: str | None
    model: str | None
    usage: dict[str, int] | None
    cost_usd: float | None
    sha256: str | None
    review: Review | None
    created_at: int
    finished_at: int | None
