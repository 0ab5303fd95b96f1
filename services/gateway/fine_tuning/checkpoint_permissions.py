"""`/v1/fine_tuning/checkpoints/{checkpoint}/permissions`: OpenAI's sharing of checkpoints between projects.

Here a model belongs to its project and to nobody else, so there is never a permission, and none can be made."""

from services.gateway.fine_tuning.answers import CheckpointPermission
from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import ListPage
from services.gateway.http.openapi import ErrorAnswer
from services.gateway.http.route import keyed_router
from services.gateway.interactive.texts import model_not_found
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError, NotFoundError
from shared.http.answers import JsonAnswer, list_body
from shared.stores.db.repositories import fine_tuning_checkpoints

router = keyed_router("fine-tuning")
PATH = "/fine_tuning/checkpoints/{checkpoint:path}/permissions"


@router.get(PATH, summary="List a checkpoint's permissions", response_model=ListPage[CheckpointPermission])
async def read_permissions(checkpoint: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return no permissions: there are none."""
    await require_checkpoint(gateway, caller, checkpoint)
    return JsonAnswer(list_body([], has_more=False))


@router.post(
    PATH,
    summary="Share a checkpoint (not supported)",
    status_code=400,
    responses={400: {"model": ErrorAnswer, "description": "Always, for a checkpoint of the project."}},
)
async def create_permission(checkpoint: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Refuse: models are not shared between projects."""
    await require_checkpoint(gateway, caller, checkpoint)
    message = "A model belongs to its project and cannot be shared with another. Train it there, or use a key of it."
    raise InvalidRequestError(message, param="project_ids", code="sharing_not_supported")


@router.delete(
    PATH + "/{permission_id}",
    summary="Delete a checkpoint's permission",
    status_code=404,
    responses={404: {"model": ErrorAnswer, "description": "Always."}},
)
async def delete_permission(checkpoint: str, permission_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Find nothing: there are no permissions."""
    await require_checkpoint(gateway, caller, checkpoint)
    raise NotFoundError(f"No such permission: {permission_id}", param="permission_id")


async def require_checkpoint(gateway: Gateway, caller: Principal, checkpoint: str) -> None:
    """Pass for a checkpoint or tuned model of the project. Raises: NotFoundError for any other name."""
    async with gateway.database.transaction() as session:
        if not await fine_tuning_checkpoints.has_checkpoint(session, caller.project_id, checkpoint):
            raise model_not_found(checkpoint)
