"""The first half of a batch: its file checked whole, then made into a run that is let go when all rows are there."""

import asyncio
import hashlib
import random
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.batches.endings import record_failure, record_refusal
from services.workers.batches.file_check import FileCheck
from services.workers.batches.file_lines import iterate_file_lines
from services.workers.batches.line_check import BatchRequest, LineError, read_line
from services.workers.leases.row_kind import LostRowError
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared import ids
from shared.bounds import Bounds, setting_of
from shared.contracts.batches import ENDPOINT_KINDS
from shared.contracts.queue.messages import WorkGeneration
from shared.contracts.recipes.stories import NewStory
from shared.observability.logs import get_logger
from shared.outside.prices.worst_case import find_max_tokens
from shared.outside.providers.border.answers import Kind
from shared.stores.db.repositories import files, registry
from shared.stores.db.repositories.batch_claims import BatchClaim, begin_run, make_run
from shared.stores.db.repositories.batch_lines import CUSTOM_ID, MAX_TOKENS, REQUEST
from shared.stores.db.repositories.quotas import measure_project
from shared.stores.db.repositories.story_expansion import advance_expansion, find_expanded, insert_stories
from shared.stores.objects.object_store import ObjectStore
from shared.texts.row_bound import bound_json

CHUNK_ROWS: Final = 500
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""A chunk ends with the row that comes to so much."""

log = get_logger(__name__)


async def begin_batch(context: WorkerContext, claim: BatchClaim) -> None:
    """Check the file of a batch and make its run, or say why not. Doing it again, after a crash at any moment, goes on
    with the run that is there. Raises: LostRowError when the batch is not ours any more."""
    async with context.database.transaction() as session:
        file = await files.find_file(session, claim.project_id, claim.input_file_id)
    bounds = context.bounds.now
    check = FileCheck(claim.endpoint, bounds)
    try:
        if file is None:
            raise FileNotFoundError
        await asyncio.to_thread(read_file, context.objects, file.sha256, check)
    except FileNotFoundError:
        await record_failure(context, claim, [LineError("file_not_found", "The input file is gone.")])
        return
    called_model = await find_called_model(context, claim, check)
    await require_rows(context, claim, check, bounds)
    if check.errors or called_model is None:
        await record_refusal(context, claim, check.list_errors())
        return
    run_id = await record_run(context, claim, check, called_model)
    await insert_rows(context, claim, run_id, file.sha256, bounds)
    await let_go(context, claim, run_id)


def read_file(objects: ObjectStore, sha256: str, check: FileCheck) -> None:
    """Check every line of an object. Raises: FileNotFoundError when the store has none such."""
    with objects.open(sha256) as source:
        check.read(source)


async def find_called_model(context: WorkerContext, claim: BatchClaim, check: FileCheck) -> str | None:
    """Return the provider's name of the model that the lines name; None, with the error noted, when nobody serves it
    to this project."""
    if check.model is None:
        return None
    async with context.database.transaction() as session:
        resolved = await registry.resolve_name(session, claim.project_id, check.model, random.random())  # noqa: S311
        is_hidden = resolved.row is None and await registry.is_foreign(session, claim.project_id, resolved.model_name)
    if not is_hidden and await context.catalog.find_target(resolved.model_name) is not None:
        return resolved.model_name
    message = f"The model '{check.model}' does not exist or you do not have access to it."
    check.refuse(LineError("model_not_found", message, check.model_line, "body.model"))
    return None


async def require_rows(context: WorkerContext, claim: BatchClaim, check: FileCheck, bounds: Bounds) -> None:
    """Note the error when the project may not have so many rows more to be written."""
    async with context.database.transaction() as session:
        used = await measure_project(session, claim.project_id, ["max_open_rows"])
    if claim.generation_id is None and used["max_open_rows"] + check.requests > bounds.max_open_rows:
        message = (
            f"{check.requests} requests would be more than {bounds.max_open_rows} rows to be written "
            f"({setting_of('max_open_rows')}); there are {used['max_open_rows']}."
        )
        check.refuse(LineError("quota_exceeded", message))


async def record_run(context: WorkerContext, claim: BatchClaim, check: FileCheck, called_model: str) -> str:
    """Record the run, at rest, unless an earlier claim has; return its id. Raises: LostRowError when the batch is not
    ours any more."""
    new_id = ids.new_id(ids.GENERATION)

    async def write(session: AsyncSession) -> str:
        found = await make_run(
            session,
            claim,
            generation_id=new_id,
            model=check.model or "",
            called_model=called_model,
            total=check.requests,
        )
        if found is None:
            raise LostRowError(claim.id)
        return found

    return await write_patiently(context.database, write, what="make the run of a batch")


async def insert_rows(context: WorkerContext, claim: BatchClaim, run_id: str, sha256: str, bounds: Bounds) -> None:
    """Insert the rows that are not there yet, chunk by chunk. Raises: LostRowError when another worker is ahead."""
    async with context.database.transaction() as session:
        expanded = await find_expanded(session, run_id)
    source = await asyncio.to_thread(context.objects.open, sha256)
    try:
        rows = islice(
            build_rows(iterate_requests(source, claim, bounds), ENDPOINT_KINDS[claim.endpoint]), expanded, None
        )
        while chunk := await asyncio.to_thread(take_chunk, rows):
            await insert_chunk(context, claim, run_id, chunk)
    finally:
        await asyncio.to_thread(source.close)


def iterate_requests(source: IO[bytes], claim: BatchClaim, bounds: Bounds) -> Iterator[BatchRequest]:
    """Yield the requests of a file that was checked."""
    json = bound_json(bounds)
    for line in iterate_file_lines(source, bounds.max_body_bytes):
        read = read_line(line, claim.endpoint, json)
        if isinstance(read, BatchRequest):
            yield read


def build_rows(requests: Iterator[BatchRequest], kind: Kind) -> Iterator[NewStory]:
    """Yield a row for each request, in their order."""
    for position, request in enumerate(requests):
        body = orjson.dumps(request.body)
        attributes = {
            CUSTOM_ID: request.custom_id,
            REQUEST: body.decode(),
            MAX_TOKENS: find_max_tokens(kind, request.body),
        }
        yield NewStory(ids.new_id(ids.STORY), position, 0, hashlib.sha256(body).hexdigest(), attributes)


def take_chunk(rows: Iterator[NewStory]) -> list[NewStory]:
    """Return the next rows: so many, or so many bytes."""
    chunk: list[NewStory] = []
    size = 0
    while len(chunk) < CHUNK_ROWS and size < CHUNK_BYTES and (row := next(rows, None)) is not None:
        chunk.append(row)
        size += len(row.attributes[REQUEST])
    return chunk


async def insert_chunk(context: WorkerContext, claim: BatchClaim, run_id: str, chunk: list[NewStory]) -> None:
    """Insert rows. Raises: LostRowError when another worker is ahead, or the run is over."""
    upto = chunk[-1].position + 1

    async def write(session: AsyncSession) -> None:
        await insert_stories(session, generation_id=run_id, project_id=claim.project_id, stories=chunk)
        if not await advance_expansion(session, run_id, upto) and await find_expanded(session, run_id) != upto:
            raise LostRowError(claim.id)

    await write_patiently(context.database, write, what="insert the lines of a batch")


async def let_go(context: WorkerContext, claim: BatchClaim, run_id: str) -> None:
    """Have the run worked on. Raises: LostRowError when the batch is not ours any more."""

    async def write(session: AsyncSession) -> bool:
        return await begin_run(session, claim)

    if not await write_patiently(context.database, write, what="begin a batch"):
        raise LostRowError(claim.id)
    await context.sender.send(WorkGeneration(run_id))
    log.info("batch_begun", batch=claim.id, generation=run_id)
