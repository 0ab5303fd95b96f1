"""`/v1/model_comparisons…`."""

from services.gateway.comparisons.answers import BlindPair, Comparison, NamedPair
from services.gateway.comparisons.schemas import ComparisonRequest, VoteRequest
from services.gateway.comparisons.service import (
    get_comparison,
    list_comparisons,
    list_pairs,
    order_comparison,
    shape_comparison,
    vote_on_pair,
)
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep, NewestFirst
from services.gateway.http.listings import ListPage, ShortList
from services.gateway.http.route import own_router
from shared.http.answers import JsonAnswer, list_body

router = own_router("models")


@router.post("/model_comparisons", summary="Compare two models", response_model=Comparison, status_code=202)
async def create_comparison(
    body: ComparisonRequest, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> JsonAnswer:
    """Record a comparison and return at once; workers have both models write, and the judge vote."""
    if claim.subject_id is not None:
        row = await get_comparison(gateway, caller, claim.subject_id)
    else:
        row = await order_comparison(gateway, caller, claim, body)
    return JsonAnswer(shape_comparison(row), 202, {"location": f"/v1/model_comparisons/{row.id}"})


@router.get("/model_comparisons", summary="List comparisons", response_model=ListPage[Comparison])
async def read_comparisons(gateway: GatewayDep, caller: Caller, page: NewestFirst) -> JsonAnswer:
    """Return the project's comparisons."""
    found, has_more = await list_comparisons(gateway, caller, page)
    return JsonAnswer(list_body([shape_comparison(row) for row in found], has_more=has_more))


@router.get("/model_comparisons/{comparison_id}", summary="Get a comparison", response_model=Comparison)
async def read_comparison(comparison_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a comparison: its state, and once it is over wins, ties, the win rate with its interval, and losses."""
    return JsonAnswer(shape_comparison(await get_comparison(gateway, caller, comparison_id)))


@router.get(
    "/model_comparisons/{comparison_id}/pairs",
    summary="List a comparison's pairs",
    response_model=ShortList[NamedPair | BlindPair],
)
async def read_pairs(comparison_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the pairs of texts; while people vote they are `a` and `b`, and nothing tells which is whose."""
    return JsonAnswer({"object": "list", "data": await list_pairs(gateway, caller, comparison_id), "has_more": False})


@router.post("/model_comparisons/{comparison_id}/votes", summary="Vote on a pair", response_model=Comparison)
async def create_vote(comparison_id: str, body: VoteRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Say which of two texts is better; the last vote ends the comparison."""
    return JsonAnswer(shape_comparison(await vote_on_pair(gateway, caller, comparison_id, body)))
