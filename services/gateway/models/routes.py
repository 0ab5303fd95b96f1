"""`/v1/models…`: the names may hold `:` and `/`, so the longer paths stand first."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import WholeList
from services.gateway.http.route import keyed_router
from services.gateway.models.answers import DeletedModel, ForgettingMatrix, ModelObject, ModelTree
from services.gateway.models.deletion import delete_model
from services.gateway.models.family import describe_tree
from services.gateway.models.forgetting import describe_forgetting, queue_missing
from services.gateway.models.service import describe_model, list_models
from shared.http.answers import JsonAnswer

router = keyed_router("models")


@router.get("/models", summary="List models", response_model=WholeList[ModelObject])
async def read_models(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every model of every provider, the project's own tuned ones and aliases among them."""
    return JsonAnswer({"object": "list", "data": await list_models(gateway, caller)})


@router.get("/models/{model:path}/tree", summary="Get a model's line", response_model=ModelTree)
async def read_tree(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the tuned models that this one comes from, and all that came of them, each with its job and data."""
    return JsonAnswer(await describe_tree(gateway, caller, model))


@router.get("/models/{model:path}/forgetting", summary="Get what a model forgot", response_model=ForgettingMatrix)
async def read_forgetting(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the forgetting matrix: the model and its ancestors on the validation files of its line."""
    return JsonAnswer(await describe_forgetting(gateway, caller, model))


@router.post(
    "/models/{model:path}/forgetting",
    summary="Measure what a model forgot",
    response_model=ForgettingMatrix,
    status_code=202,
)
async def measure_forgetting(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Queue what of the matrix is missing or failed, and return it as it stands."""
    await queue_missing(gateway, caller, model)
    return JsonAnswer(await describe_forgetting(gateway, caller, model), 202)


@router.get("/models/{model:path}", summary="Get a model", response_model=ModelObject)
async def read_model(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return one model, under whichever name it was asked for: its own, a legacy one, an alias."""
    return JsonAnswer(await describe_model(gateway, caller, model))


@router.delete("/models/{model:path}", summary="Delete a tuned model", response_model=DeletedModel)
async def remove_model(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete one of the project's tuned models. Those tuned from it stay; one that an alias leads to is refused."""
    await delete_model(gateway, caller, model)
    return JsonAnswer({"id": model, "object": "model", "deleted": True})
