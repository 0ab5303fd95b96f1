"""`/v1/engines…`: a model was called an engine. Its name may hold `:` and `/`."""

from fastapi import Request
from starlette.responses import Response

from services.gateway.completions.answers import ANSWERS
from services.gateway.completions.routes import complete
from services.gateway.completions.schemas import CompletionRequest
from services.gateway.engines.answers import LegacyEngine
from services.gateway.http.dependencies import Caller, ClaimDep, GatewayDep
from services.gateway.http.listings import WholeList
from services.gateway.http.route import keyed_router
from services.gateway.models.service import describe_model, list_models
from shared.http.answers import Json, JsonAnswer

router = keyed_router("legacy")


@router.post(
    "/engines/{engine:path}/completions",
    summary="Write a text (legacy route)",
    response_class=Response,
    responses=ANSWERS,
)
async def create_engine_completion(
    engine: str, body: CompletionRequest, request: Request, gateway: GatewayDep, caller: Caller, claim: ClaimDep
) -> Response:
    """Do what `POST /v1/completions` does, with the model from the path."""
    return await complete(gateway, caller, claim, request, body.model_copy(update={"model": engine}))


@router.get("/engines", summary="List models (legacy route)", response_model=WholeList[LegacyEngine])
async def list_engines(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the models as engines."""
    engines = [shape_engine(model) for model in await list_models(gateway, caller)]
    return JsonAnswer({"object": "list", "data": engines})


@router.get("/engines/{engine:path}", summary="Get a model (legacy route)", response_model=LegacyEngine)
async def get_engine(engine: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return a model as an engine."""
    return JsonAnswer(shape_engine(await describe_model(gateway, caller, engine)))


def shape_engine(model: Json) -> Json:
    """Return OpenAI's old engine object."""
    return {"id": model["id"], "object": "engine", "owner": model["owned_by"], "ready": True}
