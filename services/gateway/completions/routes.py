"""`POST /v1/completions`."""

from fastapi import Request
from starlette.responses import Response

from services.gateway.completions.answers import ANSWERS
from services.gateway.completions.schemas import CompletionRequest
from services.gateway.completions.service import CompletionChunks, shape_completion, split_request
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.idempotency import KeyClaim
from services.gateway.http.route import keyed_router
from services.gateway.interactive.streaming import answer_as_it_comes
from services.gateway.interactive.texts import open_texts
from services.gateway.interactive.waiting import answer_when_done
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.text_orders import ask_whole

router = keyed_router("completions")


@router.post(
    "/completions",
    summary="Write a text after a prompt",
    response_class=Response,
    responses=ANSWERS,
)
async def create_completion(
    body: CompletionRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Write one text per prompt × n, whole or as it comes (`stream`)."""
    return await complete(gateway, caller, claim, request, body)


async def complete(
    gateway: Gateway, caller: Principal, claim: KeyClaim, request: Request, body: CompletionRequest
) -> Response:
    """Carry out a completion request, from the current route or the legacy one."""
    bodies = split_request(body)
    asked = bodies if body.stream else ask_whole(bodies)
    texts = await open_texts(gateway, caller, claim, "completion", body.model, asked)
    if not body.stream:
        return await answer_when_done(gateway, request, claim, texts, shape_completion)
    chunks = CompletionChunks(texts, include_usage=body.wants_usage())
    return await answer_as_it_comes(gateway, request, claim, texts, chunks, include_usage=body.wants_usage())
