"""The body of `PrepareDataset`: fetch the sources, prepare them in a process of its own, record the outcome."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import orjson

from services.preparation.errors import DatasetError
from services.preparation.orders.preparation_order import ERROR_FILE, RESULT_FILE, Order, OwnTokenizerOrder
from services.workers.leases.row_kind import begin_lease
from services.workers.leases.working import work_while_held
from services.workers.preparing.fetching import FetchedSource, fetch_sources
from services.workers.preparing.fetching_tokenizer import fetch_tokenizer
from services.workers.preparing.lease import DATASET_ROWS
from services.workers.preparing.recording import CRASHED, record_failure, record_outcome
from services.workers.preparing.work_folders import open_work_folder, sweep_folders
from services.workers.process.context import WorkerContext
from shared.contracts.storable import decode_text
from shared.observability.logs import get_logger
from shared.stores.db.repositories.dataset_claims import ClaimedDataset, claim_dataset

LOGGED_BYTES: Final = 4_000
"""Of what a crashed preparation said last."""
SHARED_WORDS: Final = "common_prompt_prefix"
COPIES: Final[tuple[str, ...]] = ("corrected", "rejected")

log = get_logger(__name__)


class CrashedPreparationError(DatasetError):
    """The preparing process ended without an outcome (killed for its memory, or a defect of ours)."""

    code = CRASHED


async def prepare_dataset(context: WorkerContext, dataset_id: str) -> None:
    """Prepare one dataset, if nobody else does."""
    lease = begin_lease(context)
    async with context.database.transaction() as session:
        claimed = await claim_dataset(session, dataset_id, lease.worker_id, lease.seconds)
    if claimed is not None:
        log.info("dataset_claimed", dataset=claimed.id, attempt=claimed.attempt)
        await work_while_held(context, DATASET_ROWS, claimed, lease, lambda _hold: prepare(context, claimed))


async def prepare(context: WorkerContext, claimed: ClaimedDataset) -> None:
    """Bring a claimed dataset to its end, good or bad."""
    await asyncio.to_thread(sweep_folders)
    with open_work_folder() as folder:
        try:
            sources = await fetch_sources(context, claimed, folder)
            tokenizer = await fetch_tokenizer(context, claimed.request["model"], folder)
            make_order(claimed, sources, tokenizer).write(folder)
            await run_process(folder)
        except DatasetError as error:
            await record_failure(context, claimed, describe(error), {})
            return
        if (folder / RESULT_FILE).exists():
            await record_outcome(context, claimed, sources, folder)
        else:
            await record_failure(context, claimed, *await asyncio.to_thread(read_error, folder, sources))


def describe(error: DatasetError) -> dict[str, Any]:
    """Return an error as the dataset shows it."""
    return {"code": error.code, "message": error.message, "line": error.line, "column": error.column}


def make_order(
    claimed: ClaimedDataset, sources: list[FetchedSource], tokenizer: OwnTokenizerOrder | None = None
) -> Order:
    """Return the order of a dataset's request. Whole prompts that were asked for keep the words that all share."""
    request: dict[str, Any] = claimed.request
    kept = () if request["prompt"] == "attributes" else (SHARED_WORDS,)
    return Order(
        title=claimed.id,
        sources=tuple(source.order for source in sources),
        format=request["format"],
        model=request["model"],
        validation_share=request["validation_share"],
        seed=request["seed"],
        stratify=request["stratify"],
        system=request["system"],
        apply=tuple(request["apply"]),
        skip=(*request["skip"], *kept),
        tokenizer=tokenizer,
    )


async def run_process(folder: Path) -> None:
    """Run the order in `folder` to its end; killed when we are cancelled. Raises: CrashedPreparationError when it ends
    with another status than 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.preparation.orders.order_process", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},  # its own files go with the folder, also when it is killed
    )
    assert process.stderr is not None
    try:
        errors = await process.stderr.read()
        status = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if status != 0:
        log.error("preparation_crashed", status=status, stderr=decode_text(errors[-LOGGED_BYTES:]))
        raise CrashedPreparationError(f"The preparation ended with status {status}; the worker's log says more.")


def read_error(folder: Path, sources: list[FetchedSource]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return what the process said about a source or rows that cannot be used, and the copies that it made."""
    error: dict[str, Any] = orjson.loads((folder / ERROR_FILE).read_bytes())
    copies: dict[str, Path] = {name: Path(error.pop(name)) for name in COPIES if name in error}
    if "source" in error:
        error["file"] = sources[error.pop("source")].origins.file_id
    return error, copies
