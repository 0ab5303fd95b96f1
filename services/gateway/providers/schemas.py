"""What the provider routes answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody


class SilentModel(BaseModel):
    """A model that takes no calls for a while, though its provider is well."""

    model: str
    since: int
    until: int


class Provider(BaseModel):
    """A provider, and the verdict of all workers on it."""

    object: Literal["provider"]
    name: str
    verdict: Literal["well", "down", "silent", "no_credit", "key_refused"]
    since: int | None
    until: int | None
    """When a silent provider is asked again."""
    seen_at: int | None
    last_failure: dict[str, str | int | None] | None
    """Its class and status; for a key with the scope `operate` also `message`, in the provider's words."""
    limits: dict[str, int | None]
    """As configured; `concurrency` is of one worker process."""
    learnt_limits: dict[str, dict[str, int]] | None
    """By model, as its answers tell. Null while Redis is away, as the next three are."""
    calls_in_flight: int | None
    silent_models: list[SilentModel] | None
    dialects: dict[str, list[str]] | None
    """By model, what is said otherwise to it."""


class TrialRequest(RequestBody):
    """The body of `POST /v1/providers/{name}/test`; it may be left out."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, min_length=1, max_length=512, description="The first that it lists, unless given.")
    dry_run: bool = Field(False, description="Say what it may cost, and call nobody.")


class TrialResult(BaseModel):
    """What works at a provider."""

    object: Literal["provider.test"]
    provider: str
    model: str
    most_calls: int
    most_cost_usd: float | None
    """Null when the model has no price."""
    results: list[dict[str, str | bool | None]] | None
    """Null after a dry run. Each has `name`, `works` (null: not found out) and `note`."""
