"""`GET /v1/providers…`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import own_router
from services.gateway.providers.schemas import Provider
from services.gateway.providers.service import get_provider, list_providers
from shared.http.answers import JsonAnswer

router = own_router("providers")


@router.get("/providers", summary="List providers")
async def read_providers(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every provider of this mill with the verdict on it."""
    providers = await list_providers(gateway)
    return JsonAnswer({"object": "list", "data": providers, "has_more": False})


@router.get("/providers/{name}", summary="Get a provider", response_model=Provider)
async def read_provider(name: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return one provider with the verdict on it."""
    return JsonAnswer(await get_provider(gateway, name))
