"""Estimate a job: count its training file, look up price and speed. Nothing is recorded."""

import asyncio
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.fine_tuning.learning_rate import hint_learning_rate
from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.fine_tuning.starting_point import StartModel, find_start, hold_files
from services.gateway.prices.service import get_provider
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import utc_now
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.outside.prices.book import load_price_book
from shared.outside.prices.epochs import choose_epochs
from shared.outside.prices.training import estimate_training, require_known_training_price, training_price
from shared.stores.db.models import File
from shared.stores.db.repositories import files, replay
from shared.stores.db.repositories.model_costs import count_learned_rows
from shared.stores.db.repositories.training_books import find_training_speed
from shared.texts.encodings import OwnTokenizerFile
from shared.texts.own_encoding import OwnEncoding
from shared.texts.row_bound import RowBound
from shared.texts.training_file import FileTokens, PublishedCounter, RowCounter, estimate_training_tokens

MOST_COUNTED_BYTES: Final = 16 * 1024 * 1024
"""About a second; longer files are counted in evenly spread stretches, and the answer says so."""
MOST_OWN_COUNTED_BYTES: Final = 4 * 1024 * 1024
"""The same with a model's own tokenizer, which is slower."""


async def estimate_job(gateway: Gateway, caller: Principal, request: JobRequest) -> Json:
    """Return tokens, dollars and seconds. Raises: what the making of the job would raise for its model and files,
    InvalidRequestError for a budget without a known price."""
    start = await find_start(gateway, caller, request.model)
    async with gateway.database.transaction() as session:
        chosen = await hold_files(session, caller, request)
        file = await files.find_file(session, caller.project_id, chosen.training)
        speed = await find_training_speed(session, start.provider, start.name)
        learned_rows = await count_learned_rows(session, start.parent_id) if start.parent_id else None
        replayed = await find_replayed(session, caller, request, start)
    assert file is not None
    counted, more = await count_files(gateway, start.name, file, replayed, find_share(request))
    if counted.rows == 0:
        raise InvalidRequestError(f"The file '{file.id}' has no row to train on.", param="training_file")
    provider = get_provider(gateway, start.provider)
    quote = training_price(provider, start.name, utc_now().date())
    if request.budget_usd is not None:
        require_known_training_price(quote, request.model)
    epochs = settle_epochs(request, start.provider, counted.rows + more.rows)
    shutdown = load_price_book(provider.prices_dir).find_shutdown_date(provider, start.name)
    return {
        "object": "fine_tuning.estimate",
        "model": request.model,
        "base_model": start.name,
        "provider": start.provider,
        "training_file": file.id,
        "rows": counted.rows,
        "replayed_rows": more.rows,
        **estimate_training(quote, counted.tokens + more.tokens, epochs, speed),
        "tokens_note": describe_count(counted, more),
        "learning_rate_multiplier_hint": hint_learning_rate(counted.rows, learned_rows) if learned_rows else None,
        "shutdown_date": format_day(shutdown),
    }


async def find_replayed(session: AsyncSession, caller: Principal, request: JobRequest, start: StartModel) -> list[File]:
    """Return the training files of the ancestors whose rows are to be mixed in; a deleted one is told by the job."""
    if start.parent_id is None or not find_share(request):
        return []
    found = await replay.list_ancestor_files(session, start.parent_id)
    kept = [await files.find_file(session, caller.project_id, file_id) for _, file_id in found]
    return [file for file in kept if file is not None]


def find_share(request: JobRequest) -> float:
    """Return how much of the ancestors' rows is mixed in."""
    return request.replay.share if request.replay else 0.0


async def count_files(
    gateway: Gateway, model: str, file: File, replayed: Sequence[File], share: float
) -> tuple[FileTokens, FileTokens]:
    """Count the rows of a job, and those that replay adds to them, with the model's own tokenizer where its server
    gives one."""
    with TemporaryDirectory(prefix="storymill-estimate-", ignore_cleanup_errors=True) as name:
        own = await gateway.tokenizers.fetch(model, Path(name))
        counter, most_bytes = await asyncio.to_thread(open_counter, model, own)
        work, project = gateway.computing.run, file.project_id
        counted = await work(project, count_file, gateway, file, counter, most_bytes)
        more = [await work(project, count_file, gateway, one, counter, most_bytes) for one in replayed]
    rows, tokens = (round(sum(counts) * share) for counts in ([one.rows for one in more], [one.tokens for one in more]))
    return counted, FileTokens(rows, tokens, counted.encoding, is_exact=not replayed)


def open_counter(model: str, own: OwnTokenizerFile | None) -> tuple[RowCounter, int]:
    """Return who counts a model's rows, and how much of a file at most. Blocking."""
    if own is not None:
        return OwnEncoding(own, model), MOST_OWN_COUNTED_BYTES
    return PublishedCounter(model), MOST_COUNTED_BYTES


def count_file(gateway: Gateway, file: File, counter: RowCounter, most_bytes: int) -> FileTokens:
    """Count a stored file's tokens. Blocking."""
    with gateway.objects.open(file.sha256) as content:
        bound = RowBound.of(gateway.bounds.now)
        return estimate_training_tokens(content, file.bytes, counter, most_bytes, bound)


def settle_epochs(request: JobRequest, provider: str, rows: int) -> int:
    """Return the epochs asked for, or what the provider is expected to choose."""
    _, hyperparameters = request.settle()
    asked: Any = hyperparameters.get("n_epochs")
    return asked if isinstance(asked, int) else choose_epochs(provider, rows)


def describe_count(counted: FileTokens, more: FileTokens) -> str:
    """Return how the tokens were counted."""
    how = "counted" if counted.is_exact else "estimated"
    replayed = f", with about {more.rows:,} replayed rows of ancestors" if more.rows else ""
    return f"{how} with {counted.encoding}{replayed}"


def format_day(day: date | None) -> str | None:
    """Return a day as text."""
    return day.isoformat() if day else None
