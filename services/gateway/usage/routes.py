"""`GET /v1/usage`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Query

from services.gateway.http.dependencies import Caller, GatewayDep
from services.gateway.http.route import own_router
from services.gateway.usage.answers import LedgerSums
from shared.clock import unix_seconds, utc_now
from shared.errors import InvalidRequestError
from shared.http.answers import Json, JsonAnswer
from shared.stores.db.repositories.usage import FILTERS, GROUPS, sum_ledger

router = own_router("usage")

DEFAULT_DAYS = 30
GROUP_LIST = "^({0})(,({0}))*$".format("|".join(GROUPS))
"""Told to machines; spaces between them are read too."""
LATEST_SECOND = 4_102_444_800
"""The year 2100."""
Second = Annotated[int | None, Query(ge=0, le=LATEST_SECOND, description="Unix seconds.")]
Wanted = Annotated[str | None, Query(min_length=1, max_length=512)]


def read_filters(
    model: Wanted = None,
    provider: Wanted = None,
    api_key_id: Wanted = None,
    generation_id: Wanted = None,
    fine_tuning_job_id: Wanted = None,
    kind: Annotated[str | None, Query(pattern="^(inference|training)$")] = None,
) -> dict[str, str]:
    """Return the filters that a client gives."""
    given = (model, provider, api_key_id, generation_id, fine_tuning_job_id, kind)
    return {name: value for name, value in zip(FILTERS, given, strict=True) if value is not None}


@router.get("/usage", summary="Sum tokens and cost", response_model=LedgerSums)
async def read_usage(
    gateway: GatewayDep,
    caller: Caller,
    group_by: Annotated[
        str, Query(description=f"Comma-separated: {', '.join(GROUPS)}.", json_schema_extra={"pattern": GROUP_LIST})
    ] = "day,model",
    start_time: Second = None,
    end_time: Second = None,
    only: Annotated[dict[str, str], Depends(read_filters)] = {},  # noqa: B006 FastAPI gives every request its own
) -> JsonAnswer:
    """Return sums over the project's ledger, of the last 30 days unless times are given. A training's tokens are
    `prompt_tokens`."""
    groups = read_groups(group_by)
    end = from_seconds(end_time) if end_time is not None else utc_now() + timedelta(seconds=1)
    start = from_seconds(start_time) if start_time is not None else end - timedelta(days=DEFAULT_DAYS)
    async with gateway.database.transaction() as session:
        rows = await sum_ledger(session, caller.project_id, groups, start, end, only)
    data = [shape_sum(row._asdict()) for row in rows]
    period = {"start_time": unix_seconds(start), "end_time": unix_seconds(end)}
    return JsonAnswer({"object": "list", "data": data, "has_more": False, **period})


def read_groups(text: str) -> list[str]:
    """Return the groups asked for, in order. Raises: InvalidRequestError when there are none, or some are unknown."""
    groups = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in groups if name not in GROUPS]
    if unknown or not groups:
        raise InvalidRequestError(f"group_by: give some of {', '.join(GROUPS)}.", param="group_by")
    return groups


def shape_sum(row: dict[str, Any]) -> Json:
    """Return one sum; a day is written as a date."""
    day = {"day": row["day"].date().isoformat()} if "day" in row else {}
    total = row["prompt_tokens"] + row["completion_tokens"]
    return {"object": "usage.sum", **row, **day, "total_tokens": total, "cost_usd": float(row["cost_usd"])}


def from_seconds(seconds: int) -> datetime:
    """Return seconds since 1970 as an aware time, UTC."""
    return datetime.fromtimestamp(seconds, UTC)
