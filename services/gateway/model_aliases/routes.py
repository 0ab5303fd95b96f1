"""`/v1/model_aliases…`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import ListPage
from services.gateway.http.route import own_router
from services.gateway.model_aliases.answers import Alias, DeletedAlias
from services.gateway.model_aliases.schemas import AliasRequest, RollbackRequest
from services.gateway.model_aliases.service import (
    delete_alias,
    get_alias,
    list_aliases,
    roll_back,
    set_alias,
    shape_alias,
)
from shared.http.answers import JsonAnswer, list_body

router = own_router("models")


@router.post("/model_aliases", summary="Set an alias", response_model=Alias)
async def create_alias(body: AliasRequest, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Make an alias or promote another model, for all requests or a share of them; refused when what is required of
    the model does not hold."""
    return JsonAnswer(shape_alias(await set_alias(gateway, caller, body)))


@router.get("/model_aliases", summary="List aliases", response_model=ListPage[Alias])
async def read_aliases(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return the project's aliases."""
    found = [shape_alias(alias) for alias in await list_aliases(gateway, caller)]
    return JsonAnswer(list_body(found, has_more=False))


@router.post("/model_aliases/{alias:path}/rollback", summary="Roll an alias back", response_model=Alias)
async def roll_alias_back(
    alias: str, gateway: GatewayDep, caller: Caller, body: RollbackRequest | None = None
) -> JsonAnswer:
    """Take back the last change of an alias; each further rollback goes one change further back."""
    return JsonAnswer(shape_alias(await roll_back(gateway, caller, alias, body.reason if body else None)))


@router.get("/model_aliases/{alias:path}", summary="Get an alias", response_model=Alias)
async def read_alias(alias: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return an alias with the history of its changes: who, when, why."""
    return JsonAnswer(shape_alias(*await get_alias(gateway, caller, alias)))


@router.delete("/model_aliases/{alias:path}", summary="Delete an alias", response_model=DeletedAlias)
async def remove_alias(alias: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Delete an alias; its history stays."""
    await delete_alias(gateway, caller, alias)
    return JsonAnswer({"id": alias, "object": "model_alias", "deleted": True})
