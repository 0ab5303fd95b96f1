"""What the limits route answers, as it is told to machines."""

from typing import Literal

from pydantic import BaseModel


class Limit(BaseModel):
    """A bound that a request can meet; `used` is told of quotas."""

    object: Literal["limit"]
    name: str
    value: int | float
    used: int | None
    description: str
    setting: str
