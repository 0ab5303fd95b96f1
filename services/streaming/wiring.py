"""What one streaming process holds: the database (to read), the hub, the check of keys, who is connected."""

from dataclasses import dataclass, field
from typing import Self

from services.streaming.clients import ClientRegistry
from services.streaming.settings import StreamingSettings
from services.streaming.sockets.key_pauses import KeyPauses
from shared.auth.bearer import Authenticator
from shared.auth.key_watch import KeyWatch
from shared.contracts.stream.stored_text import StoredText
from shared.http.door.proxies import TrustedProxies
from shared.stores.db.repositories.completions import find_stored_text
from shared.stores.db.session import Database
from shared.streams.hot_stream import LoadRow
from shared.streams.hub import StreamHub
from shared.streams.job_events.watch import JobWatch


@dataclass(frozen=True, slots=True)
class Streaming:
    """Everything that routes and sockets need; made once, at start."""

    settings: StreamingSettings
    database: Database
    load_row: LoadRow
    hub: StreamHub
    authenticator: Authenticator
    keys: KeyWatch
    proxies: TrustedProxies
    job_watch: JobWatch
    key_pauses: KeyPauses
    clients: ClientRegistry = field(default_factory=ClientRegistry)

    @classmethod
    def build(cls, settings: StreamingSettings) -> Self:
        """Wire a streaming process; nothing is connected yet."""
        database = Database(settings)

        async def load_stored_text(stream_id: str) -> StoredText | None:
            async with database.transaction() as session:
                return await find_stored_text(session, stream_id)

        return cls(
            settings=settings,
            database=database,
            load_row=load_stored_text,
            hub=StreamHub(settings.redis_url, load_stored_text),
            authenticator=Authenticator(database),
            keys=KeyWatch(database),
            proxies=TrustedProxies(settings.trusted_proxies),
            job_watch=JobWatch(database, settings.job_watch_interval_seconds),
            key_pauses=KeyPauses(settings.closed_key_seconds),
        )

    async def start(self) -> None:
        """Begin listening to streams and watching clients."""
        await self.hub.start()
        await self.clients.start(self.settings)

    async def stop(self) -> None:
        """Close every connection."""
        await self.clients.stop()
        await self.keys.stop()
        await self.job_watch.stop()
        await self.hub.stop()
        await self.database.close()
