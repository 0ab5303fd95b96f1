"""`/livez`, `/readyz`, `/health` and `/metrics`: for operators, without a key."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from services.gateway.health.answers import Alive, StoresReadiness
from services.gateway.http.contents import TEXT
from services.gateway.http.dependencies import GatewayDep
from services.gateway.wiring import Gateway
from shared.errors import ServiceUnavailableError
from shared.http.answers import JsonAnswer
from shared.http.health import ALIVE, Probe, describe_readiness, find_problems

router = APIRouter(tags=["operations"])


async def find_gateway_problems(gateway: Gateway) -> list[str]:
    """Return what the gateway cannot serve without and is not there."""
    stores: dict[str, Probe] = {"postgres": gateway.database.ping, "redis": gateway.redis.ping}
    return await find_problems(stores, gateway.settings.object_store_dir)


@router.get("/livez", summary="The process runs", response_model=Alive)
async def get_liveness() -> JsonAnswer:
    """Answer as long as the event loop turns."""
    return JsonAnswer(ALIVE)


@router.get(
    "/readyz",
    summary="The process can serve",
    response_model=StoresReadiness,
    responses={503: {"model": StoresReadiness}},
)
async def get_readiness(gateway: GatewayDep) -> JsonAnswer:
    """Answer 200 when Postgres and Redis answer and the disk has room, 503 with what is wrong when not."""
    return JsonAnswer(*describe_readiness(await find_gateway_problems(gateway)))


@router.get("/health", summary="The process can serve, as vLLM and llama.cpp are asked", response_model=Alive)
@router.get("/v1/health", summary="The same, below the base URL", operation_id="get_v1_health", response_model=Alive)
async def get_health(gateway: GatewayDep) -> JsonAnswer:
    """Answer 200 when the process can serve. Raises: ServiceUnavailableError when not."""
    problems, status = describe_readiness(await find_gateway_problems(gateway))
    if status != 200:
        raise ServiceUnavailableError("; ".join(problems["problems"]))
    return JsonAnswer(ALIVE)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": TEXT}}},
)
async def get_metrics() -> Response:
    """Return this process's metrics."""
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
