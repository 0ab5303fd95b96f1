"""What a project sees of the models: the providers' lists, less what is another project's, plus its own names."""

from services.gateway.models.naming import model_not_found
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.errors import NotFoundError
from shared.http.answers import Json
from shared.outside.providers.catalog import CatalogModel
from shared.stores.db.models import Model, ModelAlias
from shared.stores.db.repositories import aliases, registry

MAIN: float = 1.0
"""A roll that no canary's share is above: what an alias mainly means."""


async def list_models(gateway: Gateway, caller: Principal) -> list[Json]:
    """Return the model objects of everything that this project may ask for."""
    listed = {model.id: model for model in await gateway.catalog.list_models()}
    async with gateway.database.transaction() as session:
        hidden = await registry.list_foreign(session, caller.project_id, listed)
        own = {model.name: model for model in await registry.list_models(session, caller.project_id)}
        named = await aliases.list_aliases(session, caller.project_id)
        parents = await registry.list_names(session, [model.parent_id for model in own.values() if model.parent_id])
    untuned = [shape_listed(model) for name, model in listed.items() if name not in hidden and name not in own]
    tuned = [shape_tuned(model, listed.get(name), parents) for name, model in own.items()]
    return [*untuned, *tuned, *(shape_alias_model(alias) for alias in named)]


async def describe_model(gateway: Gateway, caller: Principal, name: str) -> Json:
    """Return the object of one model, its `id` the name that was asked for. Raises: NotFoundError when the project sees
    no such model."""
    async with gateway.database.transaction() as session:
        resolved = await registry.resolve_name(session, caller.project_id, name, MAIN)
        row = resolved.row
        hidden = row is None and await registry.is_foreign(session, caller.project_id, resolved.model_name)
        parents = await registry.list_names(session, [row.parent_id] if row and row.parent_id else [])
    listed = None if hidden else await gateway.catalog.find(resolved.model_name)
    if listed is None and row is None:
        raise model_not_found(name)
    shaped = shape_tuned(row, listed, parents) if row else shape_listed(listed) if listed else {}
    lead = {} if name in {shaped["id"], row.id if row else None} else {"resolves_to": shaped["id"]}
    return {**shaped, "id": name, **lead}


async def get_tuned(gateway: Gateway, caller: Principal, name: str) -> Model:
    """Return a tuned model of the project, by name, legacy name, alias or id. Raises: NotFoundError for a base model,
    an unknown one, or another project's."""
    async with gateway.database.transaction() as session:
        row = (await registry.resolve_name(session, caller.project_id, name, MAIN)).row
    if row is None:
        raise NotFoundError(f"'{name}' is no tuned model of this project.", param="model", code="model_not_found")
    return row


def shape_listed(model: CatalogModel) -> Json:
    """Return OpenAI's model object; `provider` is ours."""
    return {
        **model.extra,
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by or model.provider,
        "provider": model.provider,
    }


def shape_tuned(model: Model, listed: CatalogModel | None, parents: dict[str, str]) -> Json:
    """Return the object of a tuned model; `is_served` says whether its provider lists it."""
    return {
        **(listed.extra if listed else {}),
        "id": model.name,
        "object": "model",
        "created": unix_seconds(model.created_at),
        "owned_by": listed.owned_by if listed else model.provider,
        "provider": model.provider,
        "model_id": model.id,
        "legacy_name": model.legacy_name,
        "base_model": model.base_model,
        "parent": parents.get(model.parent_id) if model.parent_id else None,
        "job": model.job_id,
        "dataset_version": model.dataset_version_id,
        "validation_file": model.validation_file_id,
        "template": model.template,
        "price": model.price,
        "shutdown_date": model.shutdown_date,
        "is_served": listed is not None,
    }


def shape_alias_model(alias: ModelAlias) -> Json:
    """Return an alias as the model that it may be used as."""
    return {
        "id": alias.alias,
        "object": "model",
        "created": unix_seconds(alias.created_at),
        "owned_by": "alias",
        "resolves_to": alias.model,
    }
