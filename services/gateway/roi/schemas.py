"""Body of `POST /v1/roi`."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.gateway.http.days import CalendarDay

MOST_TOKENS = 100_000_000
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000_000_000, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS)]


class CallSize(BaseModel):
    """One side's calls: a whole call's price, or its tokens. A number of tokens that is left out is the mean of the
    calls on the books."""

    model_config = ConfigDict(extra="forbid")

    usd_per_call: Usd | None = None
    prompt_tokens: Tokens | None = None
    cached_tokens: Tokens = Field(0, description="Of the prompt, those that the provider finds in its cache.")
    completion_tokens: Tokens | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cached_tokens > (self.prompt_tokens or self.cached_tokens):
            raise ValueError("cached_tokens is a part of prompt_tokens")
        return self


class RoiRequest(BaseModel):
    """What to compare. Costs that are left out are taken from the books of the tuned model, if it is one of ours."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str | None, Field(min_length=1, max_length=512)] = None
    against: Annotated[str | None, Field(min_length=1, max_length=512)] = None
    provider: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    """Of `model`; the one that serves it unless given."""
    against_provider: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    on: CalendarDay | None = None
    """Prices of this day."""
    tuned: CallSize = CallSize()
    base: CallSize = CallSize()
    data_usd: Usd | None = None
    training_usd: Usd | None = None
    evaluation_usd: Usd | None = None
    hosting_usd: Usd = Decimal(0)
    hosting_usd_per_hour: Usd | None = None
    calls_per_day: Annotated[int | None, Field(ge=1, le=10**12)] = None
    shutdown_date: CalendarDay | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for side, name in ((self.tuned, "model"), (self.base, "against")):
            if side.usd_per_call is None and getattr(self, name) is None:
                raise ValueError(f"give '{name}', or the price of its calls as usd_per_call")
        return self
