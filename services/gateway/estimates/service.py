"""Estimate a job: count its training file, look up price and speed. Nothing is recorded."""

import asyncio
from datetime import date
from typing import Any, Final

from services.gateway.fine_tuning.learning_rate import hint_learning_rate
from services.gateway.fine_tuning.schemas import JobRequest
from services.gateway.fine_tuning.starting_point import find_start, hold_files
from services.gateway.prices.service import get_provider
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import utc_now
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.outside.prices.book import load_price_book
from shared.outside.prices.epochs import choose_epochs
from shared.outside.prices.training import estimate_training, require_known_training_price, training_price
from shared.stores.db.repositories import files
from shared.stores.db.repositories.model_costs import count_learned_rows
from shared.stores.db.repositories.training_books import find_training_speed
from shared.texts.training_file import FileTokens, estimate_training_tokens

MOST_COUNTED_BYTES: Final = 16 * 1024 * 1024
"""About a second; longer files are counted in evenly spread stretches, and the answer says so."""


async def estimate_job(gateway: Gateway, caller: Principal, request: JobRequest) -> Json:
    """Return tokens, dollars and seconds. Raises: what the making of the job would raise for its model and files,
    InvalidRequestError for a budget without a known price."""
    start = await find_start(gateway, caller, request.model)
    async with gateway.database.transaction() as session:
        chosen = await hold_files(session, caller, request)
        file = await files.find_file(session, caller.project_id, chosen.training)
        speed = await find_training_speed(session, start.provider, start.name)
        learned_rows = await count_learned_rows(session, start.parent_id) if start.parent_id else None
    assert file is not None
    counted = await asyncio.to_thread(count_file, gateway, file.sha256, file.bytes, start.name)
    if counted.rows == 0:
        raise InvalidRequestError(f"The file '{file.id}' has no row to train on.", param="training_file")
    provider = get_provider(gateway, start.provider)
    quote = training_price(provider, start.name, utc_now().date())
    if request.budget_usd is not None:
        require_known_training_price(quote, request.model)
    epochs = settle_epochs(request, start.provider, counted.rows)
    shutdown = load_price_book(provider.prices_dir).find_shutdown_date(provider, start.name)
    return {
        "object": "fine_tuning.estimate",
        "model": request.model,
        "base_model": start.name,
        "provider": start.provider,
        "training_file": file.id,
        "rows": counted.rows,
        **estimate_training(quote, counted.tokens, epochs, speed),
        "tokens_note": describe_count(counted, request),
        "learning_rate_multiplier_hint": hint_learning_rate(counted.rows, learned_rows) if learned_rows else None,
        "shutdown_date": format_day(shutdown),
    }


def count_file(gateway: Gateway, sha256: str, size: int, model: str) -> FileTokens:
    """Count a stored file's tokens. Blocking."""
    with gateway.objects.open(sha256) as content:
        return estimate_training_tokens(content, size, model, MOST_COUNTED_BYTES)


def settle_epochs(request: JobRequest, provider: str, rows: int) -> int:
    """Return the epochs asked for, or what the provider is expected to choose."""
    _, hyperparameters = request.settle()
    asked: Any = hyperparameters.get("n_epochs")
    return asked if isinstance(asked, int) else choose_epochs(provider, rows)


def describe_count(counted: FileTokens, request: JobRequest) -> str:
    """Return how the tokens were counted."""
    how = "counted" if counted.is_exact else "estimated"
    replay = "; rows replayed from ancestors come on top" if request.replay and request.replay.share else ""
    return f"{how} with {counted.encoding}{replay}"


def format_day(day: date | None) -> str | None:
    """Return a day as text."""
    return day.isoformat() if day else None
