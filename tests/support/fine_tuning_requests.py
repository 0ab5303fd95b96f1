"""What tests of fine-tuning send and wait for over HTTP, and what a worker would write in their place."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from shared.stores.db.models import FineTuningJob
from shared.stores.db.repositories.fine_tuning_changes import change_status
from shared.stores.db.repositories.fine_tuning_events import NewEvent, append_events, lock_job
from tests.support.gateway import Mill

ROWS = b"".join(
    json.dumps({"prompt": f"唐,隐形{n} ->", "completion": f" 从前{n}。."}, ensure_ascii=False).encode() + b"\n"
    for n in range(12)
)


async def upload_rows(client: httpx2.AsyncClient, content: bytes = ROWS, purpose: str = "fine-tune") -> str:
    """Upload a training file; return its id."""
    response = await client.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": purpose})
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


async def create_job(
    client: httpx2.AsyncClient, model: str, headers: Mapping[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    """Order a job; return its object."""
    if "training_file" not in fields and "dataset" not in fields:
        fields["training_file"] = await upload_rows(client)
    response = await client.post("/v1/fine_tuning/jobs", json={"model": model, **fields}, headers=dict(headers or {}))
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


async def tell(mill: Mill, job_id: str, *events: NewEvent, status: str | None = None, **values: Any) -> None:
    """Write into a job what its worker would: events, then a status with further columns."""
    async with mill.database.transaction() as session:
        await lock_job(session, job_id)
        await append_events(session, job_id, events)
        job = await session.get(FineTuningJob, job_id, populate_existing=True)
        assert job is not None
        await change_status(session, job, status or job.status, by="provider", reason="as scripted", values=values)


@dataclass
class ToldEvent:
    """One server-sent event."""

    id: str | None
    data: str


async def read_event_stream(response: httpx2.Response) -> AsyncIterator[ToldEvent]:
    """Yield a response's events. Comments are left out; every line is in the one form that all clients read."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line and fields:
            yield ToldEvent(fields.get("id"), fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, separator, value = line.partition(": ")
            assert separator, line
            fields[name] = value
