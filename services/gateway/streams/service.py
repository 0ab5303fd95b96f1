"""Start, read and cancel single streams."""

from services.gateway.chat.schemas import ChatRequest
from services.gateway.chat.service import split_request as split_chat
from services.gateway.completions.schemas import CompletionRequest
from services.gateway.completions.service import split_request as split_completion
from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.texts import OpenTexts, cancel_texts, open_texts
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.contracts.kept_errors import show_error
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.outside.providers.border.answers import Kind
from shared.stores.db.models import Completion
from shared.stores.db.repositories.completions import find_completion, usage_of


async def start_stream(
    gateway: Gateway, caller: Principal, claim: KeyClaim, body: ChatRequest | CompletionRequest
) -> tuple[Completion, OpenTexts]:
    """Open one text and return its row, and what its answer's headers say. Raises: InvalidRequestError for more than
    one text."""
    bodies = split_chat(body) if isinstance(body, ChatRequest) else split_completion(body)
    if len(bodies) != 1:
        raise InvalidRequestError("A stream is one text: give one prompt, and n = 1 or none.", param="n")
    kind: Kind = "chat" if isinstance(body, ChatRequest) else "completion"
    texts = await open_texts(gateway, caller, claim, kind, body.model, bodies)
    return await get_stream(gateway, caller, texts.stream_ids[0]), texts


async def get_stream(gateway: Gateway, caller: Principal, stream_id: str) -> Completion:
    """Return a stream's row. Raises: NotFoundError, also for another project's."""
    async with gateway.database.transaction() as session:
        row = await find_completion(session, caller.project_id, stream_id)
    if row is None:
        raise NotFoundError(f"No stream '{stream_id}' in this project.", param="id")
    return row


async def cancel_stream(gateway: Gateway, caller: Principal, stream_id: str) -> Completion:
    """Ask for the end of a stream; one that is over stays as it is. Raises: NotFoundError when the project has no such
    stream."""
    await get_stream(gateway, caller, stream_id)
    await cancel_texts(gateway, caller.project_id, [stream_id])
    return await get_stream(gateway, caller, stream_id)


def shape_stream(row: Completion, streaming_url: str) -> Json:
    """Return the stream object."""
    base = streaming_url.rstrip("/")
    error = show_error(row.error)
    return {
        "id": row.id,
        "object": "stream",
        "status": row.status,
        "kind": row.kind,
        "model": row.model,
        "ws_url": f"ws{base.removeprefix('http')}/v1/streams",
        "sse_url": f"{base}/v1/streams/{row.id}",
        "text": row.text,
        "sha256": row.sha256,
        "finish_reason": row.finish_reason,
        "usage": usage_of(row),
        "error": error,
        "created_at": unix_seconds(row.created_at),
        "finished_at": unix_seconds(row.finished_at) if row.finished_at else None,
    }
