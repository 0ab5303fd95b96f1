"""`GET /v1/providers…`."""

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.listings import ShortList
from services.gateway.http.route import own_router
from services.gateway.providers.schemas import Provider, TrialRequest, TrialResult
from services.gateway.providers.service import get_provider, list_providers
from services.gateway.providers.trial import MOST_CALLS, plan_trial, run_trial
from shared.http.answers import JsonAnswer

router = own_router("providers")


@router.get("/providers", summary="List providers", response_model=ShortList[Provider])
async def read_providers(gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return every provider of this mill with the verdict on it."""
    providers = await list_providers(gateway, caller)
    return JsonAnswer({"object": "list", "data": providers, "has_more": False})


@router.get("/providers/{name}", summary="Get a provider", response_model=Provider)
async def read_provider(name: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return one provider with the verdict on it."""
    return JsonAnswer(await get_provider(gateway, caller, name))


@router.post("/providers/{name}/test", summary="Try a provider out", response_model=TrialResult)
async def try_provider(name: str, gateway: GatewayDep, caller: Caller, body: TrialRequest | None = None) -> JsonAnswer:
    """Have workers write three short texts, look up what the provider lists, and return what works. The texts are on
    the caller's books; `dry_run` says what they may cost."""
    asked = body or TrialRequest()
    target, cost = await plan_trial(gateway, name, asked.model)
    results = None if asked.dry_run else [found.shape() for found in await run_trial(gateway, caller, target)]
    plan = {"object": "provider.test", "provider": name, "model": target.model, "most_calls": MOST_CALLS}
    return JsonAnswer({**plan, "most_cost_usd": None if cost is None else float(cost), "results": results})
