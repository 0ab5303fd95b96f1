"""Register, change, test and delete webhook endpoints."""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.http.idempotency import KeyClaim
from services.gateway.webhooks.schemas import EndpointChange, EndpointRequest
from services.gateway.wiring import Gateway
from shared import ids
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.outside.webhooks.sending import UndeliveredError, WebhookSender
from shared.outside.webhooks.signing import hint_at, new_secret
from shared.outside.webhooks.targets import check_target
from shared.stores.db.models import Outbox, WebhookEndpoint
from shared.stores.db.repositories import outbox, webhook_endpoints
from shared.stores.db.repositories.pages import Page
from shared.stores.db.repositories.projects import take_turn
from shared.stores.sealing import SealError

MOST_ENDPOINTS: Final = 50
"""Of a project: every one of them costs a row and a call an event."""
SAMPLE_ID: Final = "ftjob-00000000000000000000000000000000"
SAMPLE_PROVIDER: Final = "engine"
UNREADABLE: Final = "unreadable: STORYMILL_ENCRYPTION_KEY is another"


async def add_endpoint(
    gateway: Gateway, caller: Principal, claim: KeyClaim, request: EndpointRequest
) -> WebhookEndpoint:
    """Register an endpoint. Raises: BadTargetError, PrivateTargetError, InvalidRequestError when there are too many."""
    await require_good_target(gateway, request.url)
    async with gateway.database.transaction() as session:
        await take_turn(session, caller.project_id, "webhook endpoints")
        if await webhook_endpoints.count_endpoints(session, caller.project_id) >= MOST_ENDPOINTS:
            raise InvalidRequestError(f"A project has at most {MOST_ENDPOINTS} endpoints.", code="too_many_endpoints")
        endpoint = await webhook_endpoints.add_endpoint(
            session,
            project_id=caller.project_id,
            name=request.name,
            url=request.url,
            event_types=request.event_types,
            secret=gateway.seal.seal(new_secret()),
        )
        await claim.bind(session, endpoint.id)
    return endpoint


async def get_endpoint(gateway: Gateway, caller: Principal, endpoint_id: str) -> WebhookEndpoint:
    """Return an endpoint. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        return await require_endpoint(session, caller, endpoint_id)


async def list_endpoints(gateway: Gateway, caller: Principal, page: Page) -> tuple[list[WebhookEndpoint], bool]:
    """Return a page of endpoints. Raises: NotFoundError for a cursor that is not there."""
    async with gateway.database.transaction() as session:
        if page.after is not None:
            await require_endpoint(session, caller, page.after)
        found, has_more = await webhook_endpoints.list_endpoints(session, caller.project_id, page)
    return list(found), has_more


async def change_endpoint(
    gateway: Gateway, caller: Principal, endpoint_id: str, change: EndpointChange
) -> WebhookEndpoint:
    """Change what is given. Raises: NotFoundError when the project has none such, BadTargetError for a URL that no
    webhook can have, PrivateTargetError for one on our networks."""
    if change.url is not None:
        await require_good_target(gateway, change.url)
    async with gateway.database.transaction() as session:
        endpoint = await require_endpoint(session, caller, endpoint_id)
        await webhook_endpoints.change_endpoint(session, endpoint, change.model_dump(exclude_none=True))
    return endpoint


async def rotate_secret(
    gateway: Gateway, caller: Principal, claim: KeyClaim, endpoint_id: str, *, keep_old: bool
) -> WebhookEndpoint:
    """Make a new signing secret. Raises: NotFoundError when the project has no such endpoint."""
    async with gateway.database.transaction() as session:
        endpoint = await require_endpoint(session, caller, endpoint_id)
        await webhook_endpoints.rotate_secret(session, endpoint, gateway.seal.seal(new_secret()), keep_old=keep_old)
        await claim.bind(session, endpoint.id)
    return endpoint


async def delete_endpoint(gateway: Gateway, caller: Principal, endpoint_id: str) -> None:
    """Delete an endpoint. Raises: NotFoundError when the project has none such."""
    async with gateway.database.transaction() as session:
        endpoint = await require_endpoint(session, caller, endpoint_id)
        await webhook_endpoints.delete_endpoint(session, endpoint)


async def send_sample(gateway: Gateway, caller: Principal, endpoint_id: str, event_type: str) -> int:
    """Send one sample event and return the status of the answer; it is not tried again.

    Raises: NotFoundError, BadTargetError, SealError for a secret that cannot be read, InvalidRequestError when nobody
    answers."""
    endpoint = await get_endpoint(gateway, caller, endpoint_id)
    secret = gateway.seal.unseal(endpoint.signing_secret)
    event_id = ids.new_id(ids.WEBHOOK_EVENT)
    payload = outbox.build_event(
        event_id, event_type, {"id": SAMPLE_PROVIDER if event_type.startswith("provider.") else SAMPLE_ID}
    )
    sender = WebhookSender.open(
        allow_private=gateway.settings.webhook_allow_private, proxy_guards=gateway.settings.webhook_proxy_guards
    )
    try:
        status, _ = await sender.send(endpoint.url, event_id, payload, [secret])
    except UndeliveredError as error:
        raise InvalidRequestError(error.message, param="url", code="webhook_endpoint_unreachable") from None
    finally:
        await sender.close()
    return status


async def require_good_target(gateway: Gateway, url: str) -> None:
    """Pass when the operator allows webhooks to go there. Raises: BadTargetError for a URL that no webhook can have,
    PrivateTargetError for one on our networks."""
    settings = gateway.settings
    await check_target(url, allow_private=settings.webhook_allow_private, proxy_guards=settings.webhook_proxy_guards)


async def list_deliveries(
    gateway: Gateway, caller: Principal, endpoint_id: str, page: Page
) -> tuple[list[Outbox], bool]:
    """Return a page of what was sent to an endpoint, or is to be. Raises: NotFoundError when the project has no such
    endpoint, or the endpoint no such delivery."""
    async with gateway.database.transaction() as session:
        await require_endpoint(session, caller, endpoint_id)
        if page.after is not None and not await outbox.has_delivery(session, endpoint_id, page.after):
            raise NotFoundError(f"No delivery '{page.after}' to this endpoint.", param="after")
        found, has_more = await outbox.list_deliveries(session, endpoint_id, page)
    return list(found), has_more


async def require_endpoint(session: AsyncSession, caller: Principal, endpoint_id: str) -> WebhookEndpoint:
    """Return an endpoint of the caller's project. Raises: NotFoundError when it has none such."""
    endpoint = await webhook_endpoints.find_endpoint(session, caller.project_id, endpoint_id)
    if endpoint is None:
        raise NotFoundError(f"No webhook endpoint '{endpoint_id}' in this project.", param="id")
    return endpoint


def shape_endpoint(gateway: Gateway, endpoint: WebhookEndpoint, *, with_secret: bool = False) -> Json:
    """Return the endpoint object. Raises: SealError when the secret is wanted and cannot be read."""
    secret: dict[str, Any] = {"signing_secret": gateway.seal.unseal(endpoint.signing_secret)} if with_secret else {}
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "created_at": unix_seconds(endpoint.created_at),
        "updated_at": unix_seconds(endpoint.updated_at),
        "event_types": endpoint.event_types,
        "name": endpoint.name,
        "url": endpoint.url,
        "signing_secret_hint": hint_at_secret(gateway, endpoint),
        **secret,
    }


def hint_at_secret(gateway: Gateway, endpoint: WebhookEndpoint) -> str:
    """Return what may be shown of an endpoint's secret; of one that cannot be read, that."""
    try:
        return hint_at(gateway.seal.unseal(endpoint.signing_secret))
    except SealError:
        return UNREADABLE


def shape_delivery(delivery: Outbox) -> Json:
    """Return one delivery as operators look at it."""
    return {
        "id": delivery.id,
        "object": "webhook_endpoint.delivery",
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "data": delivery.payload["data"],
        "status": delivery.status,
        "tries": delivery.tries,
        "next_at": unix_seconds(delivery.next_at) if delivery.status == outbox.DUE else None,
        "last_error": delivery.last_error,
        "created_at": unix_seconds(delivery.created_at),
        "delivered_at": unix_seconds(delivery.delivered_at) if delivery.delivered_at else None,
    }
