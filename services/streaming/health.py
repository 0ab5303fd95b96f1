"""`/livez`, `/readyz` and `/metrics`: for operators, without a key."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from services.streaming.error_handlers import answer_json
from services.streaming.metrics import collect_metrics
from services.streaming.wiring import Streaming
from shared.stores.away import STORE_AWAY

PROBE_TIMEOUT_SECONDS = 3.0

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="The process runs")
async def get_liveness() -> Response:
    """Answer as long as the event loop turns."""
    return answer_json({"status": "ok"})


@router.get("/readyz", summary="The process can serve")
async def get_readiness(request: Request) -> Response:
    """Answer 200 when Postgres and Redis answer, 503 with what is wrong when not, or when stopping."""
    streaming: Streaming = request.app.state.streaming
    postgres, redis = await asyncio.gather(answers(streaming.database.ping), answers(streaming.hub.ping))
    problems = [] if postgres else ["postgres is out of reach"]
    problems += [] if redis else ["redis is out of reach"]
    problems += ["stopping"] if streaming.clients.is_draining else []
    status = "unavailable" if problems else "ready"
    return answer_json({"status": status, "problems": problems}, 503 if problems else 200)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Return this process's metrics."""
    body = generate_latest() + collect_metrics(request.app.state.streaming)
    return Response(body, headers={"content-type": CONTENT_TYPE_LATEST})


async def answers(probe: Callable[[], Awaitable[object]]) -> bool:
    """Say whether a store answers in time."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await probe()
    except (*STORE_AWAY, TimeoutError):
        return False
    return True
