"""Send an end frame without the stream's writer: for rows whose worker died between commit and end, and for rows
that were cancelled before a worker had them."""

from redis.asyncio import Redis

from services.workers.streams.append_script import APPEND, APPEND_KEYS, ENDED_TTL_SECONDS, RESEED, Entry
from shared.contracts.stream.frames import End, encode_with_header
from shared.contracts.stream.names import lease_key, live_channel


async def publish_end(redis: Redis, end: End) -> None:
    """Append and publish `end`; its cursor is the one that the worker would have used, so that doing it twice, or after
    the worker did, changes nothing. Call after the commit only. Raises: an error of `STORE_AWAY` when Redis does
    not take it; the row stands all the same."""
    payload = encode_with_header(end)
    seq = end.cursor.seq
    entry = Entry(end.cursor.attempt, seq, seq, payload, ttl_seconds=ENDED_TTL_SECONDS)
    answer = await redis.eval(APPEND, APPEND_KEYS, *entry.build_call(end.stream))
    if answer == RESEED:
        # The log is gone: those who watch now hear the end and take the text from Postgres, as joiners do.
        await redis.publish(live_channel(end.stream), payload)
    await redis.delete(lease_key(end.stream))
