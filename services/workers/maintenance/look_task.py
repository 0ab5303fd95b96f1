"""The body of `LookAtProvider`: which of its lists a provider shows, asked from where the calls are made, with the same
key and by the same way out. Costs nothing."""

import asyncio
from typing import Any, Final

from services.workers.process.context import WorkerContext
from shared.outside.providers.configuration import Provider
from shared.outside.providers.failures import LlmError
from shared.stores.redis.provider_facts import ProviderFacts, fingerprint

LISTS: Final = {
    "models": "/models",
    "files": "/files?limit=1",
    "fine_tuning": "/fine_tuning/jobs?limit=1",
    "batch": "/batches?limit=1",
}
ANSWER_SECONDS: Final = 10.0


async def look_at_provider(context: WorkerContext, provider: str, errand_id: str) -> None:
    """Ask for each list once."""
    found = context.providers.find(provider)
    if found is None:
        return
    answers = await asyncio.gather(*(look_up(context, found, path) for path in LISTS.values()))
    facts = ProviderFacts(context.redis, found.name, fingerprint(found.api_key))
    await facts.tell_lists(errand_id, dict(zip(LISTS, answers, strict=True)))


async def look_up(context: WorkerContext, provider: Provider, path: str) -> dict[str, Any] | None:
    """Return why a list is not shown; None when it is."""
    try:
        await context.llm.fetch(provider, path, ANSWER_SECONDS)
    except LlmError as error:
        return {"class": error.failure_class.value, "upstream_status": error.upstream_status, "message": error.message}
    return None
