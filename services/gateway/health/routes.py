"""`/livez`, `/readyz` and `/metrics`: for operators, without a key."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from services.gateway.http.dependencies import GatewayDep
from shared.http.answers import JsonAnswer
from shared.http.health import ALIVE, Probe, describe_readiness, probe_stores

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="The process runs")
async def get_liveness() -> JsonAnswer:
    """Answer as long as the event loop turns."""
    return JsonAnswer(ALIVE)


@router.get("/readyz", summary="The process can serve")
async def get_readiness(gateway: GatewayDep) -> JsonAnswer:
    """Answer 200 when Postgres and Redis answer, 503 with what is wrong when not."""
    stores: dict[str, Probe] = {"postgres": gateway.database.ping, "redis": gateway.redis.ping}
    return JsonAnswer(*describe_readiness(await probe_stores(stores)))


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics() -> Response:
    """Return this process's metrics."""
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
