"""The one script that writes a stream: append to the log and publish, in one round trip.

The entry id is the cursor, so Redis itself refuses a write that is there already (our own retry: publish it
again) and one of an earlier attempt (a zombie: fence it off).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shared.contracts.stream.names import lease_key, live_channel, log_key

RUNNING_TTL_SECONDS: Final = 3600
"""How long a log outlives the last write of a running stream."""
ENDED_TTL_SECONDS: Final = 600
"""How long a log outlives its end; Postgres answers afterwards."""
LOG_LENGTH: Final = 2000
"""Entries kept; a snapshot stands among the last SNAPSHOT_EVERY of them, so nothing is lost by trimming."""
SNAPSHOT_EVERY: Final = 1000
APPEND_KEYS: Final = 3

OK: Final = b"OK"
DUPLICATE: Final = b"DUPLICATE"
FENCED: Final = b"FENCED"
RESEED: Final = b"RESEED"

APPEND: Final = """
-- KEYS log, lease, live channel. ARGV attempt, first, last, entry ('' publishes only), frame ('' is the entry),
-- ttl ('' leaves it), log length.
local attempt = tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[2]) or '0') > attempt then return 'FENCED' end
local answer = 'OK'
if ARGV[4] ~= '' then
  local id, added = ARGV[1] .. '-' .. ARGV[3], nil
  if ARGV[2] == '1' then
    added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[7], id, 'f', ARGV[4])
  else
    added = redis.pcall('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[7], id, 'f', ARGV[4])
  end
  if not added then return 'RESEED' end
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'equal or smaller') then return added end
    local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if top and tonumber(string.match(top[1], '^%d+')) > attempt then return 'FENCED' end
    answer = 'DUPLICATE'
  end
  if ARGV[6] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[6]) end
end
redis.call('PUBLISH', KEYS[3], ARGV[5] ~= '' and ARGV[5] or ARGV[4])
return answer
"""

RENEW_LEASE: Final = """
-- KEYS lease. ARGV attempt, milliseconds.
if tonumber(redis.call('GET', KEYS[1]) or '0') > tonumber(ARGV[1]) then return 'FENCED' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'OK'
"""

APPEND_SHA: Final = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()
RENEW_LEASE_SHA: Final = hashlib.sha1(RENEW_LEASE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One write: what goes into the log, and what viewers are sent if that differs.

    `first_seq` 1 may create the log; any other finds it missing and is told to reseed."""

    attempt: int
    first_seq: int
    last_seq: int
    payload: bytes
    live_payload: bytes = b""
    ttl_seconds: int | None = None

    def build_call(self, stream_id: str) -> Iterable[str | int | bytes]:
        """Return APPEND's three keys and its arguments."""
        ttl = "" if self.ttl_seconds is None else self.ttl_seconds
        return (
            *(log_key(stream_id), lease_key(stream_id), live_channel(stream_id)),
            *(self.attempt, self.first_seq, self.last_seq, self.payload, self.live_payload, ttl, LOG_LENGTH),
        )
