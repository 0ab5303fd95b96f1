"""Work whose result is in this process only waits for its store, but not for ever on a statement that never ends."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.process.store_patience import MOST_TIMEOUTS, StuckStatementError, write_patiently
from shared.settings import Settings
from shared.stores.away import RedisAwayError
from shared.stores.db.session import Database
from shared.stores.redis.connection import open_redis


async def test_a_statement_that_always_takes_too_long_is_given_up_after_a_few_tries(database_url: str) -> None:
    values = {"database_url": database_url, "database_statement_timeout_seconds": 0.5}
    database = Database(Settings.model_validate(values))
    tries = 0

    async def write(session: AsyncSession) -> None:
        nonlocal tries
        tries += 1
        await session.execute(text("select pg_sleep(60)"))

    with pytest.raises(StuckStatementError):
        await write_patiently(database, write, what="never end")
    assert tries == MOST_TIMEOUTS
    await database.close()


async def test_a_server_that_is_slow_for_a_moment_is_waited_for(database_url: str) -> None:
    values = {"database_url": database_url, "database_statement_timeout_seconds": 0.5}
    database = Database(Settings.model_validate(values))
    seconds = iter([60, 60, 0])

    async def write(session: AsyncSession) -> int:
        await session.execute(text("select pg_sleep(:seconds)"), {"seconds": next(seconds)})
        return 7

    assert await write_patiently(database, write, what="end at last") == 7
    await database.close()


@pytest.mark.parametrize("words", ["MISCONF no disk", "ERR in a script: -READONLY no writes"])
async def test_an_answer_of_redis_that_it_cannot_just_now_is_away(redis_url: str, words: str) -> None:
    redis = open_redis(redis_url)
    with pytest.raises(RedisAwayError, match=words.rsplit(maxsplit=1)[-1]):
        await redis.eval("return redis.error_reply(ARGV[1])", 0, words)
    await redis.aclose()
