"""`POST /v1/fine_tuning/estimate`."""

from services.gateway.estimates.answers import JobEstimate
from services.gateway.estimates.service import estimate_job
from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import NEEDS_READ, own_router
from shared.http.answers import JsonAnswer

router = own_router("fine-tuning")


@router.post(
    "/fine_tuning/estimate", summary="Estimate a fine-tuning job", response_model=JobEstimate, openapi_extra=NEEDS_READ
)
async def create_estimate(body: JobRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return what a job would take: tokens, epochs, dollars with the source of the price, seconds."""
    return JsonAnswer(await estimate_job(gateway, caller, body))
