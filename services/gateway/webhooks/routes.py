"""`/v1/webhook_endpoints…` and `/v1/webhook_event_types`."""

from typing import Final

from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.listings import ListPage
from services.gateway.http.route import keyed_router
from services.gateway.webhooks import service
from services.gateway.webhooks.answers import Delivery, EventTypeList
from services.gateway.webhooks.schemas import (
    EVENT_TYPES,
    DeletedEndpoint,
    Endpoint,
    EndpointChange,
    EndpointRequest,
    EndpointTest,
    SecretRotation,
    TestResult,
)
from shared.http.answers import JsonAnswer, list_body

PATH: Final = "/webhook_endpoints"

router = keyed_router("webhooks")


@router.get("/webhook_event_types", summary="List event types", response_model=EventTypeList)
async def read_event_types() -> JsonAnswer:
    """Return the types of events that endpoints can ask for."""
    return JsonAnswer({"object": "list", "data": list(EVENT_TYPES)})


@router.post(PATH, summary="Create a webhook endpoint", response_model=Endpoint)
async def create_endpoint(body: EndpointRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Register a target for events. The answer is the only one that shows the signing secret."""
    if claim.subject_id is not None:
        endpoint = await service.get_endpoint(gateway, caller, claim.subject_id)
    else:
        endpoint = await service.add_endpoint(gateway, caller, claim, body)
    return JsonAnswer(service.shape_endpoint(gateway, endpoint, with_secret=True))


@router.get(PATH, summary="List webhook endpoints", response_model=ListPage[Endpoint])
async def read_endpoints(gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return the project's endpoints."""
    found, has_more = await service.list_endpoints(gateway, caller, page)
    return JsonAnswer(list_body([service.shape_endpoint(gateway, endpoint) for endpoint in found], has_more=has_more))


@router.get(PATH + "/{endpoint_id}", summary="Get a webhook endpoint", response_model=Endpoint)
async def read_endpoint(endpoint_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return an endpoint, without its secret."""
    return JsonAnswer(service.shape_endpoint(gateway, await service.get_endpoint(gateway, caller, endpoint_id)))


@router.post(PATH + "/{endpoint_id}", summary="Change a webhook endpoint", response_model=Endpoint)
async def update_endpoint(endpoint_id: str, body: EndpointChange, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Change name, URL or event types. Deliveries that are due go to the new URL."""
    endpoint = await service.change_endpoint(gateway, caller, endpoint_id, body)
    return JsonAnswer(service.shape_endpoint(gateway, endpoint))


@router.delete(PATH + "/{endpoint_id}", summary="Delete a webhook endpoint", response_model=DeletedEndpoint)
async def delete_endpoint(endpoint_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete an endpoint; what is still due is not sent."""
    await service.delete_endpoint(gateway, caller, endpoint_id)
    return JsonAnswer({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


@router.post(PATH + "/{endpoint_id}/rotate_secret", summary="Make a new signing secret", response_model=Endpoint)
async def rotate_secret(
    endpoint_id: str, gateway: GatewayDep, caller: Caller, claim: ClaimDep, body: SecretRotation | None = None
) -> JsonAnswer:
    """Sign with a new secret from now on, for a day with the old one too if wanted. The answer shows the new one."""
    if claim.subject_id is not None:
        endpoint = await service.get_endpoint(gateway, caller, claim.subject_id)
    else:
        keep_old = body is not None and body.keep_old_secret_active_for_24_hours
        endpoint = await service.rotate_secret(gateway, caller, claim, endpoint_id, keep_old=keep_old)
    return JsonAnswer(service.shape_endpoint(gateway, endpoint, with_secret=True))


@router.post(PATH + "/{endpoint_id}/test", summary="Send a sample event", response_model=TestResult)
async def test_endpoint(endpoint_id: str, body: EndpointTest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Send one sample and return the status that the target answered with; nothing is tried again."""
    status = await service.send_sample(gateway, caller, endpoint_id, body.event_type)
    result = {"object": "webhook_endpoint.test", "event_type": body.event_type, "status_code": status}
    return JsonAnswer({**result, "success": 200 <= status < 300, "webhook_endpoint_id": endpoint_id})


@router.get(PATH + "/{endpoint_id}/deliveries", summary="List deliveries", response_model=ListPage[Delivery])
async def read_deliveries(endpoint_id: str, gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return what was sent to an endpoint, is due, or was given up, and why."""
    found, has_more = await service.list_deliveries(gateway, caller, endpoint_id, page)
    return JsonAnswer(list_body([service.shape_delivery(delivery) for delivery in found], has_more=has_more))
