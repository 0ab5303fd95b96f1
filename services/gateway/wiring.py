"""What one gateway process holds: its stores, the sender of tasks, the stream hub, the model catalog."""

from dataclasses import dataclass, field
from functools import partial
from typing import Self

from redis.asyncio import Redis

from services.gateway.computing import Computing
from services.gateway.console.sessions import Sessions
from services.gateway.http.body_turns import BodyTurns
from services.gateway.http.request_rates import RequestRates
from services.gateway.models.plain_names import PlainNames
from services.gateway.project_turns import ProjectTurns
from services.gateway.settings import GatewaySettings
from shared.auth.bearer import Authenticator
from shared.auth.key_watch import KeyWatch
from shared.auth.principal import Principal
from shared.bounds import LiveBounds
from shared.contracts.stream.stored_text import StoredText
from shared.http.door.proxies import TrustedProxies
from shared.http.event_answer import KeyGuard
from shared.outside.prices.book import load_price_book
from shared.outside.providers.catalog import ModelCatalog
from shared.outside.providers.client import LlmClient
from shared.outside.providers.configuration import load_providers
from shared.outside.providers.own_tokenizer import TokenizerShelf
from shared.stores.db.repositories.completions import find_stored_text
from shared.stores.db.session import Database
from shared.stores.objects.object_store import ObjectStore
from shared.stores.queue.celery_app import make_celery
from shared.stores.queue.line import ServingLine
from shared.stores.queue.sender import TaskSender
from shared.stores.redis.connection import open_redis
from shared.stores.sealing import SecretSeal
from shared.streams.hub import StreamHub
from shared.streams.job_events.watch import JobWatch

REDIS_CONNECTIONS = 8
"""For tickets, cancels and the line; the hub has its own two."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that routes need; made once, at start."""

    settings: GatewaySettings
    bounds: LiveBounds
    database: Database
    redis: Redis
    sender: TaskSender
    hub: StreamHub
    llm_client: LlmClient
    catalog: ModelCatalog
    authenticator: Authenticator
    sessions: Sessions
    keys: KeyWatch
    proxies: TrustedProxies
    objects: ObjectStore
    job_watch: JobWatch
    computing: Computing
    body_turns: BodyTurns = field(default_factory=BodyTurns)
    rates: RequestRates = field(default_factory=RequestRates)
    opening: ProjectTurns = field(default_factory=ProjectTurns)
    """Whose turn it is to open texts: the database lets the requests of a project in one after another."""

    plain_names: PlainNames = field(default_factory=PlainNames)
    seal: SecretSeal = field(default_factory=SecretSeal)

    @property
    def tokenizers(self) -> TokenizerShelf:
        """Models' own tokenizers."""
        return TokenizerShelf(self.llm_client, self.catalog, self.objects)

    def hold(self, caller: Principal) -> KeyGuard:
        """Return what an answer is held by, so that it ends with its key."""
        return partial(self.keys.watching, caller)

    @classmethod
    def build(cls, settings: GatewaySettings, bounds: LiveBounds) -> Self:
        """Wire a gateway; nothing is connected yet. Raises: ProvidersFileError or PriceFileError when a file of the
        operator's cannot be read."""
        load_price_book(settings.prices_dir)
        database = Database(settings)
        client = LlmClient()
        redis = open_redis(settings.redis_url, max_connections=REDIS_CONNECTIONS)

        async def load_stored_text(stream_id: str) -> StoredText | None:
            async with database.transaction() as session:
                return await find_stored_text(session, stream_id)

        return cls(
            settings=settings,
            bounds=bounds,
            database=database,
            redis=redis,
            sender=TaskSender(make_celery(settings.redis_url), ServingLine(redis)),
            hub=StreamHub(settings.redis_url, load_stored_text),
            llm_client=client,
            catalog=ModelCatalog(load_providers(settings), client),
            authenticator=Authenticator(database),
            sessions=Sessions(database),
            keys=KeyWatch(database),
            proxies=TrustedProxies(settings.trusted_proxies),
            objects=ObjectStore(settings.object_store_dir),
            job_watch=JobWatch(database, settings.job_watch_interval_seconds),
            computing=Computing(),
        )

    async def start(self) -> None:
        """Begin listening to streams."""
        await self.hub.start()

    async def stop(self) -> None:
        """Close every connection."""
        await self.hub.stop()
        await self.job_watch.stop()
        await self.keys.stop()
        await self.llm_client.close()
        self.sender.close()
        self.computing.close()
        await self.redis.aclose()
        await self.database.close()
