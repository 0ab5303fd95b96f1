"""The line of interactive texts: one queue a project, served in turn, in Redis. See ADR 102.

What stands in it are hints, as all messages are: the row is the truth, and the reaper puts a text that is lost from
here, or taken by a worker that died, into the line again."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

TURNS: Final = "line:turns"
"""Projects that have texts in the line, in the order of their turns: each once."""
BELL: Final = "line:bell"
"""Holds one element while somebody should look: a worker that waits for it is woken, and no other."""
WAITING: Final = "line:of:"
"""With the project behind it: its texts, by when they came (milliseconds). A text put again keeps its place."""
MOST_MEASURED: Final = 1_000
"""Projects looked at for the figures: the script holds up all of Redis."""

PUT: Final = """
-- KEYS turns, bell, a project's texts. ARGV project, ids.
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('RPUSH', KEYS[1], ARGV[1]) end
for i = 2, #ARGV do redis.call('ZADD', KEYS[3], 'NX', at, ARGV[i]) end
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('RPUSH', KEYS[2], '1') end
"""

TAKE: Final = """
-- KEYS turns, bell. ARGV how many, key of a project's texts without the project, projects to pass over.
local taken, passed, over = {}, 0, {}
for i = 3, #ARGV do over[ARGV[i]] = true end
while #taken < 2 * ARGV[1] and passed < redis.call('LLEN', KEYS[1]) do
  local project = redis.call('LPOP', KEYS[1])
  local waiting = ARGV[2] .. project
  if over[project] then
    passed = passed + 1
  else
    passed = 0
    local first = redis.call('ZPOPMIN', waiting)
    if first[1] then
      table.insert(taken, project)
      table.insert(taken, first[1])
    end
  end
  if redis.call('EXISTS', waiting) == 1 then redis.call('RPUSH', KEYS[1], project) end
end
local are_left = redis.call('EXISTS', KEYS[1])
if are_left == 1 and passed == 0 and redis.call('EXISTS', KEYS[2]) == 0 then redis.call('RPUSH', KEYS[2], '1') end
return {are_left, taken}
"""

MEASURE: Final = """
-- KEYS turns. ARGV most projects, key of a project's texts without the project.
local depth, oldest = 0, ''
for _, project in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  depth = depth + redis.call('ZCARD', ARGV[2] .. project)
  local at = redis.call('ZRANGE', ARGV[2] .. project, 0, 0, 'WITHSCORES')[2]
  if at and (oldest == '' or tonumber(at) < tonumber(oldest)) then oldest = at end
end
return {depth, oldest}
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that was taken from the line."""

    project_id: str
    completion_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a worker got."""

    texts: Sequence[Waiting]
    are_left: bool
    """Whether others still wait: for room, or for a worker that has room for their project."""


@dataclass(frozen=True, slots=True)
class LineFigures:
    """How the line stands."""

    depth: int
    oldest_seconds: float


class ServingLine:
    """Texts in, by gateway and reaper; out, by interactive workers. Raises an error of `STORE_AWAY` when Redis is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._put = redis.register_script(PUT)
        self._take = redis.register_script(TAKE)
        self._measure = redis.register_script(MEASURE)

    async def put(self, project_id: str, completion_ids: Sequence[str]) -> None:
        """Put texts behind those of their project, and wake one worker. Those that stand there keep their place."""
        await self._put(keys=[TURNS, BELL, WAITING + project_id], args=[project_id, *completion_ids])

    async def take(self, count: int, *, pass_over: Collection[str] = ()) -> Taken:
        """Take the first text of one project after the other, `count` at most, and wake another worker if more wait.
        Projects of `pass_over` keep their turns."""
        are_left, taken = await self._take(keys=[TURNS, BELL], args=[count, WAITING, *pass_over])
        words = [word.decode() for word in taken]
        return Taken([Waiting(*pair) for pair in zip(words[::2], words[1::2], strict=True)], bool(are_left))

    async def wait_for_bell(self, seconds: int) -> None:
        """Return when it rings for us, or after so many seconds."""
        await self._redis.blpop([BELL], timeout=seconds)

    async def ring(self) -> None:
        """Wake another worker in our stead."""
        await self._redis.lpush(BELL, "1")

    async def measure(self) -> LineFigures:
        """Return how many texts wait, and how long the oldest has."""
        depth, oldest = await self._measure(keys=[TURNS], args=[MOST_MEASURED, WAITING])
        return LineFigures(depth, max(0.0, time.time() - float(oldest) / 1000) if oldest else 0.0)
