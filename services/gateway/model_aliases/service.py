"""Set, read and roll back aliases."""

from collections.abc import Sequence

from services.gateway.model_aliases.requirements import check_requirement
from services.gateway.model_aliases.schemas import AliasRequest
from services.gateway.models.naming import model_not_found
from services.gateway.models.service import MAIN
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.errors import ConflictError, InvalidRequestError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import ModelAlias, ModelAliasChange
from shared.stores.db.repositories import aliases, registry


async def set_alias(gateway: Gateway, caller: Principal, request: AliasRequest) -> ModelAlias:
    """Make an alias, or point it elsewhere. It keeps what the given names mean now, not the names.

    Raises: NotFoundError for a model, InvalidRequestError for a name that is taken, ConflictError when what is
    required of the model does not hold.
    """
    model = await find_target(gateway, caller, request.model, "model")
    canary = None
    if request.canary_model is not None:
        canary = await find_target(gateway, caller, request.canary_model, "canary_model")
    await require_free_name(gateway, caller, request.alias)
    async with gateway.database.transaction() as session:
        if request.require is not None:
            await check_requirement(session, caller.project_id, canary or model, request.require)
        return await aliases.set_alias(
            session,
            project_id=caller.project_id,
            alias=request.alias,
            model=model,
            canary_model=canary,
            canary_share=request.canary_share,
            changed_by=caller.api_key_id,
            reason=request.reason,
        )


async def find_target(gateway: Gateway, caller: Principal, name: str, param: str) -> str:
    """Return the provider's name of what an alias shall lead to. Raises: NotFoundError when the project sees no such
    model."""
    async with gateway.database.transaction() as session:
        resolved = await registry.resolve_name(session, caller.project_id, name, MAIN)
        hidden = resolved.row is None and await registry.is_foreign(session, caller.project_id, resolved.model_name)
    if hidden or (resolved.row is None and await gateway.catalog.find(resolved.model_name) is None):
        error = model_not_found(name)
        error.param = param
        raise error
    return resolved.model_name


async def require_free_name(gateway: Gateway, caller: Principal, name: str) -> None:
    """Pass unless a model has the name: an alias would hide it. A legacy name may be taken over: that is how an old
    name comes to mean a newer model. Raises: InvalidRequestError when a model has it."""
    async with gateway.database.transaction() as session:
        if await aliases.find_alias(session, caller.project_id, name) is not None:
            return
        row = await registry.find_model(session, caller.project_id, name)
    listed = {model.id for model in await gateway.catalog.list_models()}
    is_legacy_name = row is not None and row.legacy_name == name
    if not is_legacy_name and (row is not None or name in listed):
        message = f"'{name}' is a model's name; an alias would hide the model."
        raise InvalidRequestError(message, param="alias", code="name_taken")


async def get_alias(gateway: Gateway, caller: Principal, name: str) -> tuple[ModelAlias, Sequence[ModelAliasChange]]:
    """Return an alias with its history. Raises: NotFoundError when there is none such now."""
    async with gateway.database.transaction() as session:
        alias = await aliases.find_alias(session, caller.project_id, name)
        history = await aliases.list_changes(session, caller.project_id, name)
    if alias is None:
        raise no_alias(name)
    return alias, history


async def list_aliases(gateway: Gateway, caller: Principal) -> Sequence[ModelAlias]:
    """Return the project's aliases."""
    async with gateway.database.transaction() as session:
        return await aliases.list_aliases(session, caller.project_id)


async def roll_back(gateway: Gateway, caller: Principal, name: str, reason: str | None) -> ModelAlias:
    """Take back an alias's last change. Raises: NotFoundError when there is no such alias now; ConflictError
    when there is none to take back, or the model that it led to was deleted."""
    await get_alias(gateway, caller, name)
    async with gateway.database.transaction() as session:
        alias = await aliases.roll_back(
            session, project_id=caller.project_id, alias=name, changed_by=caller.api_key_id, reason=reason
        )
        if alias is None:
            message = f"'{name}' has led to one model only: there is nothing to roll back to."
            raise ConflictError(message, param="alias", code="nothing_to_roll_back")
        for model in (alias.model, alias.canary_model):
            if model is not None and await registry.is_foreign(session, caller.project_id, model):
                message = f"'{name}' would lead back to '{model}', which was deleted. Promote another model."
                raise ConflictError(message, param="alias", code="model_deleted")
    return alias


async def delete_alias(gateway: Gateway, caller: Principal, name: str) -> None:
    """Delete an alias; its history stays. Raises: NotFoundError when there is none such."""
    async with gateway.database.transaction() as session:
        deleted = await aliases.delete_alias(
            session, project_id=caller.project_id, alias=name, changed_by=caller.api_key_id
        )
    if not deleted:
        raise no_alias(name)


def no_alias(name: str) -> NotFoundError:
    """Return the error for an alias that is not there."""
    return NotFoundError(f"No alias '{name}' in this project.", param="alias")


def shape_alias(alias: ModelAlias, history: Sequence[ModelAliasChange] | None = None) -> Json:
    """Return the alias object, with its history where it was asked for alone."""
    told = {} if history is None else {"history": [shape_change(change) for change in history]}
    return {
        "id": alias.alias,
        "object": "model_alias",
        "alias": alias.alias,
        "model": alias.model,
        "canary_model": alias.canary_model,
        "canary_share": alias.canary_share,
        "version": alias.version,
        "created_at": unix_seconds(alias.created_at),
        "updated_at": unix_seconds(alias.updated_at),
        **told,
    }


def shape_change(change: ModelAliasChange) -> Json:
    """Return one line of the audit trail."""
    return {
        "version": change.version,
        "action": change.action,
        "model": change.model,
        "canary_model": change.canary_model,
        "canary_share": change.canary_share,
        "changed_by": change.changed_by,
        "reason": change.reason,
        "created_at": unix_seconds(change.created_at),
    }
