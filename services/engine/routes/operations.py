"""GET /livez, /readyz, /metrics: for the operator, not for clients of the API."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.engine.errors import error_body
from services.engine.routes.requests import get_serving
from services.engine.serving import Serving

router = APIRouter()
ServingDependency = Annotated[Serving, Depends(get_serving)]


@router.get("/livez")
def report_alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def report_ready(serving: ServingDependency) -> JSONResponse:
    """200 once the model is in memory; until then 503 with what is going on."""
    if serving.stage is None:
        return JSONResponse({"status": "ready", "model": serving.settings.base_name})
    body = error_body(serving.stage, "server_error", code="failed" if serving.failure else "starting")
    starting = {"status": serving.stage, "message": serving.stage, "progress": find_progress(serving.stage)}
    return JSONResponse({**starting, **body}, status_code=503)


def find_progress(stage: str) -> float | None:
    """Return how far a start has come, 0 to 1, where the stage is counted: `2/4 …` says that one of four is done."""
    counted = re.match(r"(\d+)/(\d+) ", stage)
    return (int(counted[1]) - 1) / int(counted[2]) if counted else None


@router.get("/metrics")
def report_metrics(serving: ServingDependency) -> Response:
    """Prometheus text."""
    return Response(generate_latest(serving.metrics.registry), media_type=CONTENT_TYPE_LATEST)
