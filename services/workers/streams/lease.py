"""Leases of streams in Redis: a sign of life for viewers, and the fence against earlier attempts."""

from collections.abc import Mapping

from redis.asyncio import Redis

from services.workers.streams.append_script import FENCED, RENEW_LEASE, RENEW_LEASE_SHA
from shared.contracts.stream.names import lease_key


async def renew_leases(redis: Redis, attempts: Mapping[str, int], lease_ms: int) -> list[str]:
    """Renew the lease of each stream for its attempt, in one round trip.

    Returns the streams that a later attempt owns. Raises: an error of `STORE_AWAY` when Redis does not answer;
    nothing is known of any lease then.
    """
    if not attempts:
        return []
    pipeline = redis.pipeline(transaction=False)
    # Loading costs less than asking whether it is loaded, and a restarted Redis has forgotten it.
    pipeline.script_load(RENEW_LEASE)
    for stream_id, attempt in attempts.items():
        pipeline.evalsha(RENEW_LEASE_SHA, 1, lease_key(stream_id), attempt, lease_ms)
    _, *answers = await pipeline.execute()
    return [stream_id for stream_id, answer in zip(attempts, answers, strict=True) if answer == FENCED]
