"""Training lines as bytes: the public tool's exact form for pairs, compact JSON for chat."""

from collections.abc import Iterable
from typing import IO

import orjson

from services.workers.datasets.rows import RowBatch


def pair_lines(batch: RowBatch) -> list[bytes]:
    """One `{"prompt":…,"completion":…}` line per row, `/` written as `\\/` as pandas writes it."""
    dumps, newline = orjson.dumps, orjson.OPT_APPEND_NEWLINE
    lines = [
        dumps({"prompt": prompt, "completion": completion}, option=newline)
        for prompt, completion in zip(batch.prompts, batch.completions, strict=True)
    ]
    return [line.replace(b"/", b"\\/") if b"/" in line else line for line in lines]


def write_pairs(batches: Iterable[RowBatch], out: IO[bytes]) -> int:
    """Write all rows as pair lines; returns their number."""
    count = 0
    for batch in batches:
        out.writelines(pair_lines(batch))
        count += len(batch)
    if not count:
        out.write(b"\n")  # what pandas writes for no rows
    return count
