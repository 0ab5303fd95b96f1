"""GET and DELETE /v1/models, and the legacy /v1/engines listing."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

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
    return {**describe_model(serving.registry.get_model(model)), "id": model}


@router.delete("/v1/models/{model:path}")
def delete_model(model: str, serving: ServingDependency) -> dict[str, Any]:
    """Delete a tuned model."""
    serving.registry.delete_tuned(model)
    return {"id": model, "object": "model", "deleted": True}


@router.get("/v1/engines")
def list_engines(serving: ServingDependency) -> dict[str, Any]:
    """The oldest form of the model list."""
    return {"object": "list", "data": [_describe_engine(entry.id) for entry in serving.registry.list_models()]}


@router.get("/v1/engines/{engine:path}")
def retrieve_engine(engine: str, serving: ServingDependency) -> dict[str, Any]:
    """One model in the oldest form."""
    serving.registry.get_model(engine)
    return _describe_engine(engine)


def describe_model(entry: ModelEntry) -> dict[str, Any]:
    """OpenAI's model object."""
    return {"id": entry.id, "object": "model", "created": entry.created, "owned_by": entry.owned_by}


def _describe_engine(name: str) -> dict[str, Any]:
    return {"id": name, "object": "engine", "owner": "storymill", "ready": True}
