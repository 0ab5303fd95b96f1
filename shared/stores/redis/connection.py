"""How the processes of the mill connect to Redis: bounded, and failing soon, since every caller can wait or retry."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 15
RECONNECT_PAUSE_SECONDS = 0.02


def open_redis(url: str, *, max_connections: int = 16) -> Redis:
    """Return a client whose callers wait for a free connection rather than fail. Lazy: connects at first use.

    One immediate retry covers a connection that the server closed while idle; longer outages are the caller's."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=Retry(ConstantBackoff(RECONNECT_PAUSE_SECONDS), 1),
        protocol=2,
    )
    return Redis.from_pool(pool)
