"""`POST /v1/embeddings`."""

from fastapi import Request
from starlette.responses import Response

from services.gateway.embeddings.answers import Embeddings
from services.gateway.embeddings.schemas import EmbeddingRequest
from services.gateway.embeddings.service import answer_embeddings, build_request, forget_vectors
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.route import keyed_router
from services.gateway.interactive.texts import open_texts
from services.gateway.interactive.waiting import wait_for_rows
from shared.contracts.result_requests import EMBEDDING

router = keyed_router("embeddings")


@router.post("/embeddings", summary="Embed texts", response_model=Embeddings)
async def create_embeddings(
    body: EmbeddingRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Return a vector for each text: of the built-in engine the mean of its last states over the text's tokens, of
    length 1; of another provider its own."""
    asked = build_request(body, gateway.bounds.now)
    texts = await open_texts(gateway, caller, claim, EMBEDDING, body.model, [asked])
    rows = await wait_for_rows(gateway, request, claim, texts)
    if isinstance(rows, Response):
        return rows
    answer = await gateway.computing.run(caller.project_id, answer_embeddings, texts, rows[0], body.encoding_format)
    await forget_vectors(gateway, claim, texts)
    return answer
