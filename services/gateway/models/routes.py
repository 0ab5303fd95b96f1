"""`/v1/models…`: the names may hold `:` and `/`."""

from services.gateway.answers import Json, JsonAnswer
from services.gateway.dependencies import Caller, GatewayDep
from services.gateway.interactive.texts import model_not_found
from services.gateway.route import keyed_router
from shared.llm.catalog import CatalogModel

router = keyed_router("models")


@router.get("/models", summary="List models")
async def list_models(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every model of every provider."""
    models = [shape_model(model) for model in await gateway.catalog.list_models()]
    return JsonAnswer({"object": "list", "data": models})


@router.get("/models/{model:path}", summary="Get a model")
async def get_model(model: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return one model. Raises: NotFoundError."""
    found = await gateway.catalog.find(model)
    if found is None:
        raise model_not_found(model)
    return JsonAnswer(shape_model(found))


def shape_model(model: CatalogModel) -> Json:
    """Return OpenAI's model object; `provider` is ours."""
    return {
        **model.extra,
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by or model.provider,
        "provider": model.provider,
    }
