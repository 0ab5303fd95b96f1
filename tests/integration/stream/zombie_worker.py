"""A worker process for fault tests: writes to the streams on its command line as attempt 1, for ever.

Run as `python -m tests.integration.stream.zombie_worker REDIS_URL STREAM_ID…`; prints `ready` once it writes, and
`fenced` when every stream has refused it."""

import asyncio
import sys

from services.workers.streams.writer import StreamWriter
from shared.stores.redis.connection import open_redis


async def main(redis_url: str, stream_ids: list[str]) -> None:
    redis = open_redis(redis_url)
    writer = StreamWriter(redis)
    await writer.start()
    handles = [writer.open(stream_id, 1) for stream_id in stream_ids]
    for handle in handles:
        handle.write("old ")
    await asyncio.gather(*(handle.flush() for handle in handles))
    print("ready", flush=True)
    while not all(handle.fenced.is_set() for handle in handles):
        for handle in handles:
            if not handle.fenced.is_set():
                handle.write("zombie ")
        await asyncio.sleep(0.05)
    print("fenced", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
