"""Bodies of the webhook routes, in OpenAI's shapes."""

from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.gateway.http.request_body import RequestBody

EventType = Literal[
    "fine_tuning.job.succeeded",
    "fine_tuning.job.failed",
    "fine_tuning.job.cancelled",
    "batch.completed",
    "batch.failed",
    "batch.expired",
    "batch.cancelled",
    "generation.succeeded",
    "generation.failed",
    "generation.paused",
    "dataset.succeeded",
    "dataset.failed",
    "provider.down",
    "provider.recovered",
    "provider.out_of_credit",
]
EVENT_TYPES: Final[tuple[str, ...]] = get_args(EventType)


def drop_doubles(types: list[EventType]) -> list[EventType]:
    """Return each type once, in the order given."""
    return list(dict.fromkeys(types))


Name = Annotated[str, Field(min_length=1, max_length=128)]
Url = Annotated[str, Field(min_length=1, max_length=4096)]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=32), AfterValidator(drop_doubles)]


class EndpointRequest(RequestBody):
    """The body of `POST /v1/webhook_endpoints`."""

    model_config = ConfigDict(extra="ignore")
    name: Name
    url: Url
    event_types: EventTypes


class EndpointChange(RequestBody):
    """The body of `POST /v1/webhook_endpoints/{id}`; what is left out stays as it is."""

    model_config = ConfigDict(extra="ignore")
    name: Name | None = None
    url: Url | None = None
    event_types: EventTypes | None = None


class SecretRotation(RequestBody):
    """The body of `POST …/rotate_secret`; it may be left out."""

    model_config = ConfigDict(extra="ignore")
    keep_old_secret_active_for_24_hours: bool = False


class EndpointTest(RequestBody):
    """The body of `POST …/test`."""

    model_config = ConfigDict(extra="ignore")
    event_type: EventType


class Endpoint(BaseModel):
    """A webhook endpoint. `signing_secret` is there once: after creation and rotation."""

    id: str
    object: Literal["webhook_endpoint"]
    created_at: int
    updated_at: int
    event_types: list[str]
    name: str
    url: str
    signing_secret_hint: str
    signing_secret: str | None = None


class DeletedEndpoint(BaseModel):
    """What is left of an endpoint."""

    id: str
    object: Literal["webhook_endpoint.deleted"]
    deleted: bool


class TestResult(BaseModel):
    """What the target answered to a sample."""

    object: Literal["webhook_endpoint.test"]
    event_type: str
    status_code: int
    success: bool
    """Whether the target answered with a 2xx, as a delivery needs."""
    webhook_endpoint_id: str
