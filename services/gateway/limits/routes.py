"""`GET /v1/limits`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import ShortList
from services.gateway.http.route import own_router
from services.gateway.limits.answers import Limit
from services.gateway.limits.quotas import measure_quotas
from services.gateway.limits.service import list_limits
from shared.http.answers import JsonAnswer

router = own_router("operations")


@router.get("/limits", summary="List the limits of this server", response_model=ShortList[Limit])
async def read_limits(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every bound that a request can meet: its value now, what it bounds, and the setting that changes it; of
    quotas also how much of them the project has."""
    limits = list_limits(gateway.bounds.now, await measure_quotas(gateway, caller))
    return JsonAnswer({"object": "list", "data": limits, "has_more": False})
