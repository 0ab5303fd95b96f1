"""Training lines as bytes: the public tool's exact form for pairs, the line as it is for chat."""

from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import IO

import orjson

from services.workers.datasets.rows import RowBatch

# DEL: JSON leaves it as it is, and hardly any text holds it. It marks the borders while a batch is escaped as one.
BORDER = "\x7f"
BETWEEN_ROWS = BORDER * 2


def encode_pairs(batch: RowBatch) -> bytes:
    """One `{"prompt":…,"completion":…}` line per row, `/` written as `\\/` as pandas writes it.

    A batch is escaped in one go, which takes a third of the time of a call per row.
    """
    joined = BETWEEN_ROWS.join(map(BORDER.join, zip(batch.prompts, batch.completions, strict=True)))
    if joined.count(BORDER) != 3 * len(batch) - 2 or "" in batch.completions:
        return _encode_one_by_one(batch)
    text = encode_basestring(joined).replace("/", "\\/")
    text = text.replace(BETWEEN_ROWS, '"}\n{"prompt":"').replace(BORDER, '","completion":"')
    return f'{{"prompt":{text}}}\n'.encode()


def _encode_one_by_one(batch: RowBatch) -> bytes:
    pairs = zip(batch.prompts, batch.completions, strict=True)
    lines = (orjson.dumps({"prompt": p, "completion": c}, option=orjson.OPT_APPEND_NEWLINE) for p, c in pairs)
    return b"".join(lines).replace(b"/", b"\\/")


def encode_records(batch: RowBatch) -> bytes:
    """The chat lines."""
    return "".join(f"{record}\n" for record in batch.records).encode()


def write_pairs(batches: Iterable[RowBatch], out: IO[bytes]) -> int:
    """Write all rows as pair lines; returns their number."""
    count = 0
    for batch in batches:
        if batch.ids:
            out.write(encode_pairs(batch))
        count += len(batch)
    if not count:
        out.write(b"\n")  # what pandas writes for no rows
    return count
