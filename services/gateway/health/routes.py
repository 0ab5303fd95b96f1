"""`/livez`, `/readyz` and `/metrics`: for operators, without a key."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from services.gateway.http.answers import JsonAnswer
from services.gateway.http.dependencies import GatewayDep
from services.gateway.wiring import Gateway

PROBE_TIMEOUT_SECONDS = 3.0

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="The process runs")
async def get_liveness() -> JsonAnswer:
    """Answer as long as the event loop turns."""
    return JsonAnswer({"status": "ok"})


@router.get("/readyz", summary="The process can serve")
async def get_readiness(gateway: GatewayDep) -> JsonAnswer:
    """Answer 200 when Postgres and Redis answer, 503 with what is wrong when not."""
    problems = [f"{name} is out of reach" for name in await find_unreachable(gateway)]
    status = "ready" if not problems else "unavailable"
    return JsonAnswer({"status": status, "problems": problems}, 200 if not problems else 503)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics() -> Response:
    """Return this process's metrics."""
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


async def find_unreachable(gateway: Gateway) -> list[str]:
    """Return the names of the stores that do not answer in time."""
    checks = {"postgres": answers_postgres(gateway), "redis": answers_redis(gateway)}
    results = await asyncio.gather(*checks.values())
    return [name for name, answers in zip(checks, results, strict=True) if not answers]


async def answers_postgres(gateway: Gateway) -> bool:
    """Say whether Postgres takes a query within `PROBE_TIMEOUT_SECONDS`."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await gateway.database.ping()
    except (SQLAlchemyError, TimeoutError, OSError):
        return False
    return True


async def answers_redis(gateway: Gateway) -> bool:
    """Say whether Redis takes a command within `PROBE_TIMEOUT_SECONDS`."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await gateway.redis.exists("sm:probe")
    except (RedisError, TimeoutError, OSError):
        return False
    return True
