"""A run's stories as a file, streamed in bounded memory, in the run's order: the same bytes whatever workers did."""

import csv
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Final

import orjson

from services.gateway.generations.append_sink import AppendSink
from services.gateway.generations.workbook_export import MEDIA_TYPE
from services.gateway.wiring import Gateway
from shared.stores.db.models import Generation, RecipeVersion, Story
from shared.stores.db.repositories.stories import iterate_succeeded

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK: Final = "\ufeff".encode()
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": MEDIA_TYPE,
}
LINE_END: Final = "\r\n"
STORY: Final = "story"
ROW_GROUP_STORIES: Final = 5_000
"""The file's index grows with the number of groups, the memory with their size (10 MB for long stories)."""

Chunks = AsyncGenerator[bytes, None]


def write_csv(gateway: Gateway, run: Generation, version: RecipeVersion, *, safe_for_spreadsheets: bool) -> Chunks:
    """Yield CSV: the attributes' columns, then `story`. With `safe_for_spreadsheets` a byte-order mark leads, and
    fields that a spreadsheet would run as formulas get a quote before them."""
    names = version.attribute_names

    def encode_batch(batch: Sequence[Story]) -> bytes:
        rows = [[*(story.attributes[name] for name in names), story.text] for story in batch]
        return encode_csv([[neutralise(value) for value in row] for row in rows] if safe_for_spreadsheets else rows)

    mark = BYTE_ORDER_MARK if safe_for_spreadsheets else b""
    return write_batches(gateway, run, encode_batch, header=mark + encode_csv([[*names, STORY]]))


def encode_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV whose lines end with a line feed.

    The writer quotes only the characters of its own line ends, so it is given both: readers take a bare carriage
    return for the end of a row, too.
    """
    lines = _Lines()
    csv.writer(lines, lineterminator=LINE_END).writerows(rows)
    return "".join(lines).encode()


class _Lines(list[str]):
    """What a CSV writer writes to, line by line."""

    def write(self, line: str) -> None:
        self.append(f"{line.removesuffix(LINE_END)}\n")


def write_jsonl(gateway: Gateway, run: Generation, version: RecipeVersion) -> Chunks:
    """Yield JSON Lines: attributes, repeat, story and what is known of it."""
    names = version.attribute_names

    def encode_batch(batch: Sequence[Story]) -> bytes:
        return b"".join(orjson.dumps(describe(story, names), option=orjson.OPT_APPEND_NEWLINE) for story in batch)

    return write_batches(gateway, run, encode_batch)


def describe(story: Story, names: Sequence[str]) -> dict[str, Any]:
    """Return a story's exported fields."""
    return {
        "attributes": {name: story.attributes[name] for name in names},
        "repeat": story.repeat,
        "story": story.text,
        "finish_reason": story.finish_reason,
        "model": story.model,
        "prompt_tokens": story.prompt_tokens,
        "completion_tokens": story.completion_tokens,
        "sha256": story.sha256,
        "review": story.review,
    }


async def write_batches(
    gateway: Gateway, run: Generation, encode_batch: Callable[[Sequence[Story]], bytes], *, header: bytes = b""
) -> Chunks:
    """Yield the header, then each batch of stories as it is read."""
    if header:
        yield header
    async for batch in iterate_succeeded(gateway.database.long_transaction, run.id):
        yield encode_batch(batch)


async def write_parquet(gateway: Gateway, run: Generation, version: RecipeVersion) -> Chunks:
    """Yield a Parquet file, in row groups: the attributes' columns as text, `repeat`, `story` and what is known."""
    # Imported at the first such export: 45 MB in each gateway.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = parquet_schema(version.attribute_names)
    sink = AppendSink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        async for group in gather_groups(iterate_succeeded(gateway.database.long_transaction, run.id)):
            columns = to_columns(group, version.attribute_names)
            writer.write_table(pa.table(columns, schema=schema))
            yield sink.take()
    yield sink.take()


async def gather_groups(batches: AsyncIterator[Sequence[Story]]) -> AsyncIterator[Sequence[Story]]:
    """Yield batches put together to row groups of a size of their own, whatever the batches'."""
    group: list[Story] = []
    async for batch in batches:
        group += batch
        while len(group) >= ROW_GROUP_STORIES:
            yield group[:ROW_GROUP_STORIES]
            del group[:ROW_GROUP_STORIES]
    if group:
        yield group


def parquet_schema(names: Sequence[str]) -> Any:
    """Return the columns' types; attributes are text, for values of one attribute may differ in type."""
    import pyarrow as pa  # noqa: PLC0415

    own = {
        "repeat": pa.int32(),
        STORY: pa.string(),
        "finish_reason": pa.string(),
        "model": pa.string(),
        "prompt_tokens": pa.int32(),
        "completion_tokens": pa.int32(),
        "sha256": pa.string(),
        "review": pa.string(),
    }
    return pa.schema([*((name, pa.string()) for name in names if name not in own), *own.items()])


def to_columns(batch: Sequence[Story], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return a batch column by column."""
    rows = [describe(story, names) for story in batch]
    own = [name for name in rows[0] if name != "attributes"]
    attributes = {name: [str(row["attributes"][name]) for row in rows] for name in names if name not in own}
    return attributes | {name: [row[name] for row in rows] for name in own}


def neutralise(value: Any) -> Any:
    """Return a field that no spreadsheet runs as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
