"""Bodies of the alias routes."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from services.gateway.http.body_rules import need_both_or_none, need_one
from services.gateway.http.request_body import RequestBody

AliasName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@\-]*$", max_length=128, examples=["ultraman@prod"])
]
ModelName = Annotated[str, Field(min_length=1, max_length=512)]


class Requirement(RequestBody):
    """What must be known of a model before it may be promoted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=need_one("comparison", "evaluation"))

    comparison: str | None = Field(None, max_length=64, description="A finished comparison of this model.")
    min_win_rate: float = Field(0.5, ge=0, le=1)
    min_lower_bound: float | None = Field(None, ge=0, le=1, description="Of the win rate's interval.")
    evaluation: str | None = Field(None, max_length=64, description="A finished evaluation of this model.")
    max_loss: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _require_something(self) -> "Requirement":
        if self.comparison is None and self.evaluation is None:
            raise ValueError("name a comparison or an evaluation")
        if self.evaluation is not None and self.max_loss is None:
            raise ValueError("an evaluation needs max_loss")
        return self


class AliasRequest(RequestBody):
    """The body of `POST /v1/model_aliases`: makes an alias, or points it elsewhere."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=need_both_or_none("canary_model", "canary_share"))

    alias: AliasName
    model: ModelName
    canary_model: ModelName | None = Field(None, description="Tried on `canary_share` of the requests.")
    canary_share: float | None = Field(None, gt=0, lt=1)
    reason: str | None = Field(None, min_length=1, max_length=1000)
    require: Requirement | None = None

    @model_validator(mode="after")
    def _pair_canary(self) -> "AliasRequest":
        if (self.canary_model is None) != (self.canary_share is None):
            raise ValueError("canary_model and canary_share belong together")
        return self


class RollbackRequest(RequestBody):
    """The body of a rollback; it may be left out."""

    model_config = ConfigDict(extra="forbid")
    reason: str | None = Field(None, min_length=1, max_length=1000)
