"""GET and DELETE /v1/models, and the legacy /v1/engines listing."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.engine.errors import ModelNotFoundError
from services.engine.registry import ModelEntry
from services.engine.routes.requests import get_serving
from services.engine.serving import Serving

router = APIRouter()
ServingDependency = Annotated[Serving, Depends(get_serving)]


@router.get("/v1/models")
def list_models(serving: ServingDependency) -> dict[str, Any]:
    """All models a request may name."""
    return {"object": "list", "data": [describe_model(entry) for entry in serving.registry.list_models()]}


@router.get("/v1/models/{model:path}")
def retrieve_model(model: str, serving: ServingDependency) -> dict[str, Any]:
    """One model, under the name that was asked for."""
    entry = serving.registry.find_model(model)
    if entry is None:
        raise ModelNotFoundError(model)
    return {**describe_model(entry), "id": model}


@router.delete("/v1/models/{model:path}")
def delete_model(model: str, serving: ServingDependency) -> dict[str, Any]:
    """Delete a tuned model."""
    serving.registry.delete_tuned(model)
    return {"id": model, "object": "model", "deleted": True}


@router.get("/v1/engines")
def list_engines(serving: ServingDependency) -> dict[str, Any]:
    """The oldest form of the model list."""
    return {
        "object": "list",
        "data": [_describe_engine(entry.id, entry.unavailable is None) for entry in serving.registry.list_models()],
    }


@router.get("/v1/engines/{engine:path}")
def retrieve_engine(engine: str, serving: ServingDependency) -> dict[str, Any]:
    """One model in the oldest form."""
    serving.registry.get_model(engine)
    return _describe_engine(engine, ready=True)


def describe_model(entry: ModelEntry) -> dict[str, Any]:
    """OpenAI's model object; of a model that cannot be asked also why, and of its base the fingerprint."""
    described: dict[str, Any] = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
    }
    if entry.fingerprint is not None:
        described["base_fingerprint"] = str(entry.fingerprint)
    if entry.unavailable is not None:
        described |= {"status": "unavailable", "status_reason": entry.unavailable}
    return described


def _describe_engine(name: str, ready: bool) -> dict[str, Any]:
    return {"id": name, "object": "engine", "owner": "storymill", "ready": ready}
