"""Workers that hold a row of every job kind at once, on stores and outside parties of the test's own, for faults."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select, text

from shared.stores.db.models import Attempt, LedgerEntry
from shared.stores.db.session import Database
from shared.stores.objects.object_store import ObjectStore
from tests.support.client_env import client_python
from tests.support.interactive import InteractiveBench, open_bench
from tests.support.stack import PrivatePostgres, PrivateRedis
from tests.support.tuning_upstream import TuningScript, TuningUpstream
from tests.support.upstream import Call, ScriptedUpstream
from tests.support.upstream_script import Script, prompt_of
from tests.support.volume import VolumeBench
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.worker_process import WorkerProcess

LEASE_SECONDS = 5.0
"""Short, and long enough for processes that share two cores with other tests."""
TOKENS_BEFORE_GATE = 3
EXPANDED_ROWS = 5_000
STORY_MARKER = "第"
FIRST_STORIES = 3
"""Answered at once: a run's first call goes alone, and each success doubles what it may have under way."""
QUEUES = "interactive,generation,datasets,fine_tuning,maintenance"
PROVIDERS = """
[providers.tuner]
base_url = "{tuner}"
[providers.tuner.fine_tuning]
adoption = "metadata"
running_poll_seconds = 0.1
slowest_poll_seconds = 0.2
[providers.upstream.prices."*"]
input_usd_per_million = 1.0
output_usd_per_million = 2.0
"""


@dataclass
class FaultMill:
    """Everything that a kind needs to be submitted, held, and looked at afterwards."""

    folder: Path
    postgres: PrivatePostgres
    redis_server: PrivateRedis
    database_url: str
    interactive: InteractiveBench
    volume: VolumeBench
    upstream: ScriptedUpstream
    tuner: TuningUpstream
    receiver: WebhookReceiver
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is shut, no outside party answers: what is held stays held."""
    expansion: psycopg.AsyncConnection[Any] | None = None
    """Locks the run that is being expanded, while the gate is shut."""
    ids: dict[str, str] = field(default_factory=dict)
    """What was submitted, by kind."""
    held: dict[str, bool] = field(default_factory=dict)
    """By kind: whether a worker held its row when the fault struck."""
    problems: dict[str, str] = field(default_factory=dict)
    """By kind: why it did not end."""

    @property
    def database(self) -> Database:
        """The test's own pool."""
        return self.interactive.database

    @property
    def objects(self) -> ObjectStore:
        """The workers' object store."""
        return ObjectStore(str(self.folder / "objects"))

    def make_worker(self, name: str) -> WorkerProcess:
        """A worker that serves every queue; not started yet."""
        return WorkerProcess(
            self.folder,
            database_url=self.database_url,
            redis_url=self.redis_server.url,
            upstream_url=self.upstream.url,
            queues=QUEUES,
            concurrency=16,
            name=name,
            env={
                "STORYMILL_PROVIDERS_FILE": str(self.folder / "providers.toml"),
                "STORYMILL_OBJECT_STORE_DIR": str(self.folder / "objects"),
                "STORYMILL_WEBHOOK_ALLOW_PRIVATE": "true",
                "STORYMILL_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
                "STORYMILL_WORKER_TRACKER_PYTHON": str(client_python("trackers")),
                "STORYMILL_WORKER_TRACKER_DIR": str(self.folder / "trackers"),
            },
        )

    async def open_gate(self) -> None:
        """Let everybody answer, trainings end and the expansion go on."""
        self.gate.set()
        self.tuner.script = TuningScript()
        if self.expansion is not None:
            await self.expansion.close()
            self.expansion = None

    def find_calls(self, marker: str) -> list[Call]:
        """Return the calls whose prompt holds a kind's marker, as the provider counted them."""
        return [call for call in self.upstream.calls if marker in prompt_of(call.body)]

    async def read(self, statement: str, **values: Any) -> Any:
        """Return the first value of a query."""
        async with self.database.transaction() as session:
            return (await session.execute(text(statement), values)).scalar()

    async def attempts(self, subject_ids: Sequence[str]) -> list[Attempt]:
        """Return the calls on the books."""
        async with self.database.transaction() as session:
            return list(await session.scalars(select(Attempt).where(Attempt.subject_id.in_(subject_ids))))

    async def assert_books_agree(self, subject_ids: Sequence[str], marker: str) -> None:
        """Hold the books against the provider's own count: each call is there, settled, with its entry."""
        attempts = await self.attempts(subject_ids)
        async with self.database.transaction() as session:
            query = select(LedgerEntry).where(LedgerEntry.attempt_id.in_([attempt.id for attempt in attempts]))
            entries = list(await session.scalars(query))
        assert len(attempts) == len(self.find_calls(marker))
        assert {attempt.outcome for attempt in attempts} <= {"succeeded", "unknown", "superseded"}
        assert {entry.attempt_id for entry in entries} == {attempt.id for attempt in attempts}
        spent = sum((attempt.spent_usd or Decimal(0) for attempt in attempts), Decimal(0))
        assert sum((entry.cost_usd or Decimal(0) for entry in entries), Decimal(0)) == spent > 0


def choose_script(mill: FaultMill, call: Call) -> Script:
    """Answer as the kind of a call expects it, once the gate is open."""
    prompt = prompt_of(call.body)
    if "evaluation" in prompt:
        told = {
            "tokens": list(prompt),
            "text_offset": list(range(len(prompt))),
            "token_logprobs": [None, *([-0.5] * (len(prompt) - 1))],
            "top_logprobs": [None, *({letter: -0.5} for letter in prompt[1:])],
        }
        return Script(text=prompt, extra={"logprobs": told}, gate=mill.gate)
    if "comparison" in prompt:
        return Script(text="A", gate=mill.gate)
    if STORY_MARKER in prompt and len(mill.find_calls(STORY_MARKER)) <= FIRST_STORIES:
        return Script()
    return Script(gate=mill.gate, tokens_before_gate=TOKENS_BEFORE_GATE if call.body.get("stream") else 0)


@asynccontextmanager
async def open_fault_mill(folder: Path, postgres: PrivatePostgres) -> AsyncIterator[FaultMill]:
    """Yield a mill without workers. Its Redis is its own, to be stopped."""
    async with AsyncExitStack() as stack:
        name = postgres.create_database()
        stack.callback(postgres.drop_database, name)
        redis_server = stack.enter_context(PrivateRedis(folder / "redis", durable=True))
        database_url = postgres.database_url(name)
        interactive = await stack.enter_async_context(open_bench(database_url, redis_server.url))
        mill = FaultMill(
            folder=folder,
            postgres=postgres,
            redis_server=redis_server,
            database_url=database_url,
            interactive=interactive,
            volume=VolumeBench(
                interactive.database, interactive.sender, interactive.project_id, interactive.api_key_id
            ),
            upstream=await stack.enter_async_context(ScriptedUpstream()),
            tuner=await stack.enter_async_context(TuningUpstream(TuningScript(stays_running=True))),
            receiver=await stack.enter_async_context(WebhookReceiver()),
        )
        mill.upstream.choose = lambda call: choose_script(mill, call)
        mill.upstream.model_gate = mill.receiver.gate = mill.gate
        (folder / "providers.toml").write_text(PROVIDERS.format(tuner=mill.tuner.url))
        stack.push_async_callback(mill.open_gate)
        yield mill
