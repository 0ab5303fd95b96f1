"""What was sent to a webhook endpoint, as it is told to machines."""

from typing import Any, Literal

from pydantic import BaseModel

from services.gateway.http.listings import WholeList
from services.gateway.webhooks.schemas import EventType


class EventTypeList(WholeList[EventType]):
    """The types there are, under a name of its own: made of the types, it would be longer than a file's name may be."""


class Delivery(BaseModel):
    """An event that was sent, is due, or was given up, and why."""

    id: str
    object: Literal["webhook_endpoint.delivery"]
    event_id: str
    event_type: str
    data: dict[str, Any]
    status: str
    tries: int
    next_at: int | None
    last_error: str | None
    created_at: int
    delivered_at: int | None
