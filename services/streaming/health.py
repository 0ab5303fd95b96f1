"""`/livez`, `/readyz` and `/metrics`: for operators, without a key."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from services.streaming.metrics import collect_metrics
from services.streaming.wiring import Streaming
from shared.http.answers import JsonAnswer
from shared.http.health import ALIVE, describe_readiness, find_problems

router = APIRouter(tags=["operations"])


@router.get("/livez", summary="The process runs")
async def get_liveness() -> Response:
    """Answer as long as the event loop turns."""
    return JsonAnswer(ALIVE)


@router.get("/readyz", summary="The process can serve")
async def get_readiness(request: Request) -> Response:
    """Answer 200 when Postgres and Redis answer, 503 with what is wrong when not, or when stopping."""
    streaming: Streaming = request.app.state.streaming
    stores = {"postgres": streaming.database.ping, "redis": streaming.hub.ping}
    stopping = ["stopping"] if streaming.clients.is_draining else []
    return JsonAnswer(*describe_readiness([*await find_problems(stores), *stopping]))


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Return this process's metrics."""
    body = generate_latest() + collect_metrics(request.app.state.streaming)
    return Response(body, headers={"content-type": CONTENT_TYPE_LATEST})
