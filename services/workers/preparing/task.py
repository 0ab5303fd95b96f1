"""The body of `PrepareDataset`, and what the desk does with a dataset whose turn it is: fetch the sources, prepare them
in a process of its own, record the outcome."""

import asyncio
from pathlib import Path
from typing import Any, Final

import orjson

from services.preparation.errors import DatasetError
from services.preparation.orders.preparation_order import ERROR_FILE, RESULT_FILE, Order
from services.workers.preparing.child import check_free_disk, run_child
from services.workers.preparing.desk import PreparingDesk
from services.workers.preparing.fetching import FetchedSource, fetch_sources
from services.workers.preparing.recording import record_failure, record_outcome
from services.workers.preparing.work_folders import open_work_folder, sweep_folders
from services.workers.process.context import WorkerContext
from shared.contracts.storable import cut_text
from shared.stores.db.repositories.dataset_claims import ClaimedDataset
from shared.texts.encodings import OwnTokenizerFile

LONGEST_MESSAGE: Final = 2_000
"""Characters of an error: a file's own texts may stand in it, and every list of datasets shows it."""
SHARED_WORDS: Final = "common_prompt_prefix"
COPIES: Final[tuple[str, ...]] = ("corrected", "rejected")


async def prepare_dataset(context: WorkerContext, dataset_id: str) -> None:
    """Tell the process's desk that a dataset waits: whose turn it is, the desk finds out."""
    (await context.part(PreparingDesk)).wake(prepare)


async def prepare(context: WorkerContext, claimed: ClaimedDataset) -> None:
    """Bring a claimed dataset to its end, good or bad."""
    await asyncio.to_thread(sweep_folders)
    bounds = context.bounds.now
    with open_work_folder() as folder:
        try:
            check_free_disk(folder, bounds)
            sources = await fetch_sources(context, claimed, folder)
            tokenizer = await context.tokenizers.fetch(claimed.request["model"], folder)
            make_order(claimed, sources, tokenizer).write(folder)
            await run_child(folder, bounds, context.worker_settings.preparation_niceness)
        except DatasetError as error:
            await record_failure(context, claimed, describe(error), {})
            return
        if (folder / RESULT_FILE).exists():
            await record_outcome(context, claimed, sources, folder)
        else:
            await record_failure(context, claimed, *await asyncio.to_thread(read_error, folder, sources))


def describe(error: DatasetError) -> dict[str, Any]:
    """Return an error as the dataset shows it."""
    return {
        "code": error.code,
        "message": cut_text(error.message, LONGEST_MESSAGE),
        "line": error.line,
        "column": error.column,
    }


def make_order(
    claimed: ClaimedDataset, sources: list[FetchedSource], tokenizer: OwnTokenizerFile | None = None
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


def read_error(folder: Path, sources: list[FetchedSource]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return what the process said about a source or rows that cannot be used, and the copies that it made."""
    error: dict[str, Any] = orjson.loads((folder / ERROR_FILE).read_bytes())
    error["message"] = cut_text(error["message"], LONGEST_MESSAGE)
    copies: dict[str, Path] = {name: Path(error.pop(name)) for name in COPIES if name in error}
    if "source" in error:
        error["file"] = sources[error.pop("source")].origins.file_id
    return error, copies
