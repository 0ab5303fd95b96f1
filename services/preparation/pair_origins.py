"""Where a preference pair came from: one line of two stories' entries, read again by whoever records the rows."""

from typing import IO

import orjson


def write_pair_origin(out: IO[bytes], accepted: list[str | None], rejected: list[str | None]) -> None:
    """Add the entry of a pair, of what `describe_story` said of both."""
    out.write(orjson.dumps([*accepted, rejected[0], rejected[-1]], option=orjson.OPT_APPEND_NEWLINE))
