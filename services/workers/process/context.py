"""What every job of a worker process is given: its stores, its model client, its streams. One per process, on the
loop. Knows no job kind; what a kind keeps per process it declares as a `Part`."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, Self, TypeVar

from redis.asyncio import Redis

from services.workers.process.running_jobs import RunningJobs
from services.workers.process.settings import WorkerSettings
from services.workers.process.verdict_states import tell_verdict
from services.workers.providers.dialect_store import RedisDialects
from services.workers.providers.healths import ProviderHealths
from services.workers.providers.rate_limits import RateLimits
from services.workers.streams.writer import StreamWriter
from shared import ids
from shared.bounds import Bounds, LiveBounds
from shared.observability.logs import get_logger
from shared.observability.loop_lag import start_sampling
from shared.outside.prices.book import load_price_book
from shared.outside.providers.catalog import ModelCatalog
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import Providers, load_providers
from shared.outside.providers.dialects import Dialects
from shared.outside.providers.own_tokenizer import TokenizerShelf
from shared.settings import Settings
from shared.stores.db.session import Database
from shared.stores.objects.object_store import ObjectStore
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from shared.stores.sealing import SecretSeal

log = get_logger(__name__)


class Part(Protocol):
    """Something that a job kind keeps once per process (a loop that renews leases, a listener)."""

    @classmethod
    async def start(cls, context: "WorkerContext") -> Self:
        """Return the part, at work."""
        ...

    async def stop(self) -> None:
        """Stop it; no job runs any more."""
        ...


P = TypeVar("P", bound=Part)


@dataclass(slots=True)
class WorkerContext:
    """The tools of a job. Everything is lazy or reconnects by itself: a store that is away is no reason to exit."""

    settings: Settings
    worker_settings: WorkerSettings
    worker_id: str
    """Who claims rows: unique per process start."""
    database: Database
    redis: Redis
    llm: LlmClient
    providers: Providers
    catalog: ModelCatalog
    healths: ProviderHealths
    """How the providers stand, for the whole cluster."""
    rate_limits: RateLimits
    """What their calls come under, for the whole cluster."""
    stream_writer: StreamWriter
    bounds: LiveBounds
    line: ServingLine
    """Where interactive texts wait."""
    sender: TaskSender
    objects: ObjectStore
    lag_sampler: "asyncio.Task[None]"
    """Measures what blocks the loop that all leases are renewed on."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at SIGTERM: claim nothing more, finish soon; jobs still running `drain_seconds` later are cancelled."""
    jobs: RunningJobs = field(default_factory=RunningJobs)
    """What is under way, however it came: through Celery, or from the line."""
    seal: SecretSeal = field(default_factory=SecretSeal)
    """Opens what rows keep sealed."""
    concurrency: int = 0
    """Jobs that this process may have under way at once, as Celery was told."""
    figures: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Asked for fresh values whenever somebody reads the metrics."""
    _parts: dict[type[Part], Part] = field(default_factory=dict)
    _part_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def tokenizers(self) -> TokenizerShelf:
        """Models' own tokenizers."""
        return TokenizerShelf(self.llm, self.catalog, self.objects)

    async def part(self, kind: type[P]) -> P:
        """Return the process's one instance of `kind`, started now if it is the first use."""
        async with self._part_lock:
            if kind not in self._parts:
                self._parts[kind] = await kind.start(self)
            part = self._parts[kind]
            assert isinstance(part, kind)
            return part

    async def close(self) -> None:
        """Stop the parts and close every connection."""
        for part in reversed(self._parts.values()):
            await part.stop()
        await self.healths.stop()
        await self.stream_writer.stop()
        await self.llm.close()
        await self.redis.aclose()
        await self.database.close()
        self.lag_sampler.cancel()
        await asyncio.to_thread(self.sender.close)


async def open_context(
    settings: Settings, worker_settings: WorkerSettings, jobs: RunningJobs | None = None
) -> WorkerContext:
    """Build the context on the running loop. Opens no connection yet. Raises: ProvidersFileError or PriceFileError when
    a file of the operator's cannot be read."""
    providers = load_providers(settings)
    load_price_book(settings.prices_dir)
    redis = open_redis(settings.redis_url, max_connections=worker_settings.redis_connections)
    llm = LlmClient(Dialects(RedisDialects(redis)))
    writer = StreamWriter(
        redis, tick_seconds=worker_settings.stream_tick_seconds, lease_seconds=worker_settings.lease_seconds
    )
    await writer.start()
    worker_id, database, line = ids.new_id(ids.WORKER), Database(settings), ServingLine(redis)
    sender = TaskSender(make_celery(settings.redis_url), line)
    context = WorkerContext(
        settings=settings,
        worker_settings=worker_settings,
        worker_id=worker_id,
        database=database,
        redis=redis,
        llm=llm,
        providers=providers,
        catalog=ModelCatalog(providers, llm),
        healths=ProviderHealths(
            redis, worker_id, partial(tell_verdict, database, sender), worker_settings.hung_seconds
        ),
        rate_limits=RateLimits(redis, worker_id),
        stream_writer=writer,
        bounds=LiveBounds(Bounds(), settings.bounds_file),
        line=line,
        sender=sender,
        objects=ObjectStore(settings.object_store_dir),
        lag_sampler=start_sampling(),
        jobs=jobs or RunningJobs(),
    )
    log.info("worker_context_opened", worker=context.worker_id, host=socket.gethostname(), pid=os.getpid())
    return context
