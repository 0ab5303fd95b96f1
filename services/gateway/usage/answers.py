"""What the usage route answers, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel

from services.gateway.http.listings import ShortList


class LedgerSum(BaseModel):
    """A sum over the ledger, with the groups that were asked for."""

    object: Literal["usage.sum"]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float
    unpriced_requests: int
    day: str | None = None
    model: str | None = None
    provider: str | None = None
    api_key_id: str | None = None
    generation_id: str | None = None
    fine_tuning_job_id: str | None = None
    kind: str | None = None


class LedgerSums(ShortList[LedgerSum]):
    """The sums of a period."""

    start_time: int
    end_time: int
