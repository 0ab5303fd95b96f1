"""`POST /v1/roi`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import NEEDS_READ, own_router
from services.gateway.roi.answers import Return
from services.gateway.roi.schemas import RoiRequest
from services.gateway.roi.service import find_return
from shared.http.answers import JsonAnswer

router = own_router("usage")


@router.post("/roi", summary="Find when a tuned model pays", response_model=Return, openapi_extra=NEEDS_READ)
async def create_return(body: RoiRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return costs, the break-even in calls (and days), and the two cumulative curves."""
    return JsonAnswer(await find_return(gateway, caller, body))
