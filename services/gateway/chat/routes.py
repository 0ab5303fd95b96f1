"""`POST /v1/chat/completions`."""

from fastapi import Request
from starlette.responses import Response

from services.gateway.chat.answers import ChatCompletion
from services.gateway.chat.schemas import ChatRequest
from services.gateway.chat.service import ChatChunks, shape_chat, split_request
from services.gateway.http.contents import events_of
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.route import keyed_router
from services.gateway.interactive.streaming import answer_as_it_comes
from services.gateway.interactive.texts import open_texts
from services.gateway.interactive.waiting import answer_when_done
from shared.contracts.text_orders import ask_whole

router = keyed_router("chat")


@router.post(
    "/chat/completions",
    summary="Write the next message of a chat",
    response_class=Response,
    responses={200: {"model": ChatCompletion, "content": events_of("ChatChunk")}},
)
async def create_chat_completion(
    body: ChatRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Write `n` answers, whole or as they come (`stream`)."""
    bodies = split_request(body)
    asked = bodies if body.stream else ask_whole(bodies)
    texts = await open_texts(gateway, caller, claim, "chat", body.model, asked)
    if not body.stream:
        return await answer_when_done(gateway, request, claim, texts, shape_chat)
    chunks = ChatChunks(texts, include_usage=body.wants_usage())
    return await answer_as_it_comes(gateway, request, claim, texts, chunks, include_usage=body.wants_usage())
