"""`POST /v1/moderations`."""

from fastapi import Request
from starlette.responses import Response

from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.route import keyed_router
from services.gateway.interactive.texts import open_texts
from services.gateway.interactive.waiting import answer_when_done
from services.gateway.moderations.answers import Moderation
from services.gateway.moderations.schemas import ModerationRequest
from services.gateway.moderations.service import build_request, choose_model, shape_moderation
from shared.contracts.result_requests import MODERATION

router = keyed_router("moderations")


@router.post("/moderations", summary="Have a provider moderate texts", response_model=Moderation)
async def create_moderation(
    body: ModerationRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Return what a provider that moderates says; where none does, 404 says what to do."""
    model = await choose_model(gateway, caller, body.model)
    texts = await open_texts(gateway, caller, claim, MODERATION, model, [build_request(body)])
    return await answer_when_done(gateway, request, claim, texts, shape_moderation)
