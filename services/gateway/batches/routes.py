"""`/v1/batches…`, as OpenAI has them."""

from services.gateway.batches.schemas import Batch, BatchOrder
from services.gateway.batches.service import (
    cancel_batch,
    find_reason,
    get_batch,
    list_batches,
    order_batch,
    shape_batch,
)
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.listings import ListPage
from services.gateway.http.route import keyed_router
from shared.http.answers import JsonAnswer, list_body

router = keyed_router("batches")


@router.post("/batches", summary="Answer a file of requests", response_model=Batch)
async def create_batch(body: BatchOrder, gateway: GatewayDep, caller: Caller, claim: ClaimDep) -> JsonAnswer:
    """Record a batch and return at once; its file is checked whole before the first call."""
    if claim.subject_id is not None:
        return JsonAnswer(shape_batch(*await get_batch(gateway, caller, claim.subject_id)))
    return JsonAnswer(shape_batch(*await order_batch(gateway, caller, claim, body)))


@router.get("/batches", summary="List batches", response_model=ListPage[Batch])
async def read_batches(gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return the project's batches, newest first unless asked otherwise."""
    found, has_more = await list_batches(gateway, caller, page)
    return JsonAnswer(list_body([shape_batch(*shown) for shown in found], has_more=has_more))


@router.get("/batches/{batch_id}", summary="Get a batch", response_model=Batch)
async def read_batch(batch_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a batch: how far it is, and the files with its answers once it is over."""
    shown = await get_batch(gateway, caller, batch_id)
    return JsonAnswer(shape_batch(*shown), headers=find_reason(*shown))


@router.post("/batches/{batch_id}/cancel", summary="Cancel a batch", response_model=Batch)
async def end_batch(batch_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Make no new call; what is answered, or under way, is written to the output file."""
    return JsonAnswer(shape_batch(*await cancel_batch(gateway, caller, batch_id)))
