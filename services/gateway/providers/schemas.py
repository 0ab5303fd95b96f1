"""What the provider routes answer."""

from typing import Literal

from pydantic import BaseModel


class Provider(BaseModel):
    """A provider, and the verdict of all workers on it."""

    object: Literal["provider"] = "provider"
    name: str
    verdict: Literal["well", "down", "silent", "no_credit", "key_refused"]
    since: int | None
    until: int | None
    """When a silent provider is asked again."""
    seen_at: int | None
    last_failure: dict[str, str | int | None] | None
    limits: dict[str, int | None]
    """As configured; `concurrency` is of one worker process."""
