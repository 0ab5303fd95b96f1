"""What the faults ask of a job kind, and what several kinds need to be submitted."""

import asyncio
import io
from dataclasses import dataclass
from typing import Protocol

from shared.contracts.queue.messages import Message
from shared.stores.db.repositories.files import add_file
from shared.stores.db.repositories.fine_tuning_jobs import NewJob, add_job
from tests.support.faults.mill import FaultMill


@dataclass(frozen=True)
class Fault:
    """What may happen to paid calls."""

    name: str
    repeats: bool
    """Another worker takes the rows over: what was in flight may be asked for once more."""


class KindCase(Protocol):
    """One job kind."""

    name: str
    is_patient: bool
    """Whether it waits for an outside party for as long as the others take to be held; if not, it is submitted last."""

    async def submit(self, mill: FaultMill) -> None:
        """Queue one."""

    async def is_held(self, mill: FaultMill) -> bool:
        """Say whether a worker is in the middle of it."""

    async def is_over(self, mill: FaultMill) -> bool:
        """Say whether it has ended."""

    async def verify(self, mill: FaultMill, fault: Fault) -> None:
        """Assert that it ended once, rightly, and paid for no more than the fault allows."""


async def send(mill: FaultMill, message: Message) -> None:
    """Send a message as the gateway does."""
    assert await mill.interactive.sender.send(message)


async def add_rows(mill: FaultMill, content: bytes, purpose: str = "fine-tune") -> str:
    """Add a file of rows to the project."""
    stored = await asyncio.to_thread(mill.objects.put, io.BytesIO(content))
    async with mill.database.transaction() as session:
        file = await add_file(
            session,
            project_id=mill.interactive.project_id,
            filename="rows.jsonl",
            purpose=purpose,
            sha256=stored.sha256,
            size=stored.bytes,
        )
        return file.id


async def add_tuning_job(mill: FaultMill, content: bytes, **values: object) -> str:
    """Add a fine-tuning job of the scripted provider."""
    new = NewJob(
        mill.interactive.project_id,
        mill.interactive.api_key_id,
        training_file_id=await add_rows(mill, content),
        model="base-1",
        base_model="base-1",
        provider="tuner",
    )
    async with mill.database.transaction() as session:
        job = await add_job(session, new)
        for name, value in values.items():
            setattr(job, name, value)
        return job.id


async def is_leased(mill: FaultMill, table: str, row_id: str) -> bool:
    """Say whether a worker's lease on a row runs."""
    statement = f"select worker_id is not null and lease_until > now() from {table} where id = :id"
    return bool(await mill.read(statement, id=row_id))


def assert_count(count: int, wanted: int, fault: Fault, in_flight: int) -> None:
    """Assert that the provider was asked so often, and after a fault that repeats at most `in_flight` times more."""
    assert wanted <= count <= wanted + (in_flight if fault.repeats else 0)
