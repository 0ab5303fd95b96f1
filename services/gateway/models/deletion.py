"""Delete a tuned model: at once for everybody who asks here, soon at its provider."""

from services.gateway.models.service import get_tuned
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.queue.messages import RemoveModel
from shared.errors import ConflictError, NotFoundError, PermissionDeniedError
from shared.stores.db.repositories import aliases, registry


async def delete_model(gateway: Gateway, caller: Principal, name: str) -> None:
    """Hide a model and have a worker delete it at its provider. Its row stays, for the line of its children.

    Raises: NotFoundError when nobody serves it to this project; PermissionDeniedError for a provider's own model;
    ConflictError while an alias leads to it or a job starts from it.
    """
    try:
        model = await get_tuned(gateway, caller, name)
    except NotFoundError:
        if await is_served(gateway, caller, name):
            message = f"'{name}' is a provider's own model; only tuned models of this project can be deleted."
            raise PermissionDeniedError(message, param="model") from None
        raise
    async with gateway.database.transaction() as session:
        leading = await aliases.list_aliases_of(session, caller.project_id, model.name)
        if leading:
            names = ", ".join(f"'{alias}'" for alias in leading)
            message = f"'{model.name}' cannot be deleted: {names} lead to it. Promote or delete the alias first."
            raise ConflictError(message, param="model", code="model_in_use")
        job_id = await registry.find_open_child_job(session, model.id)
        if job_id is not None:
            message = f"'{model.name}' cannot be deleted: the fine-tuning job '{job_id}' starts from it."
            raise ConflictError(message, param="model", code="model_in_use")
        await registry.mark_deleted(session, model)
    await gateway.sender.send(RemoveModel(model.id))


async def is_served(gateway: Gateway, caller: Principal, name: str) -> bool:
    """Say whether a provider serves this name to the project."""
    async with gateway.database.transaction() as session:
        if await registry.is_foreign(session, caller.project_id, name):
            return False
    return await gateway.catalog.find(name) is not None
