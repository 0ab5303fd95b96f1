"""`POST /v1/roi`."""

from services.gateway.answers import JsonAnswer
from services.gateway.dependencies import Caller, GatewayDep
from services.gateway.roi.schemas import RoiRequest
from services.gateway.roi.service import find_return
from services.gateway.route import NEEDS_READ, keyed_router

router = keyed_router("usage")


@router.post("/roi", summary="Find when a tuned model pays", openapi_extra=NEEDS_READ)
async def create_return(body: RoiRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return costs, the break-even in calls (and days), and the two cumulative curves."""
    return JsonAnswer(await find_return(gateway, caller, body))
