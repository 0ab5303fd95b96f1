"""`GET /v1/limits`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import keyed_router
from services.gateway.limits.service import list_limits
from shared.http.answers import JsonAnswer

router = keyed_router("operations")


@router.get("/limits", summary="List the limits of this server")
async def read_limits(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every bound that a request can meet: its value now, what it bounds, and the setting that changes it."""
    return JsonAnswer({"object": "list", "data": list_limits(gateway.bounds.now), "has_more": False})
