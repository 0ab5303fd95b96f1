"""How the processes of the mill connect to Redis: bounded, and failing soon, since every caller can wait or retry."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from shared.stores.away import tell_redis_away
from shared.stores.redis.changing_password import PasswordFile, is_from_file, leave_out_credentials

SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 15
RECONNECT_PAUSE_SECONDS = 0.02


class TellingConnection(AbstractConnection):
    """Says by the class of an error whether Redis cannot do it now, or never will."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Return the next answer. Raises: redis' errors, an error of `STORE_AWAY` for what passes."""
        try:
            return await super().read_response(*args, **options)
        except Exception as error:
            if (told := tell_redis_away(error)) is not error:
                raise told from error
            raise


def open_redis(url: str, *, max_connections: int = 16) -> Redis:
    """Return a client whose callers wait for a free connection rather than fail. Lazy: connects at first use.

    One immediate retry covers a connection that the server closed while idle; longer outages are the caller's."""
    following: dict[str, Any] = {}
    if is_from_file(url):
        url, following = leave_out_credentials(url), {"credential_provider": PasswordFile()}
    pool = BlockingConnectionPool.from_url(
        url,
        **following,
        max_connections=max_connections,
        timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=Retry(ConstantBackoff(RECONNECT_PAUSE_SECONDS), 1),
        protocol=2,
    )
    pool.connection_class = type("TellingConnection", (TellingConnection, pool.connection_class), {})
    return Redis.from_pool(pool)
