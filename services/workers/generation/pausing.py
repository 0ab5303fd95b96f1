"""Pauses that the mill comes to by itself: why, in words, and until when if it goes on by itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import keep_trying
from services.workers.providers.verdict import Standing, Verdict
from shared.contracts.storable import cut_text
from shared.observability.logs import get_logger
from shared.stores.db.repositories.generation_progress import pause_generation

LONGEST_REASON_CHARACTERS: Final = 500
OTHERS_WORDS: Final = "as another call with the same key was told"
"""What a provider told another run may name it: each run reads what was said to itself."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a run stops, and when it goes on by itself, if it does."""

    reason: str
    resumes_at: datetime | None = None


def pause_for_verdict(provider: str, standing: Standing, own_words: str | None) -> Pause:
    """Return the pause that a verdict asks for. `own_words`: what the provider told this run."""
    words = own_words or OTHERS_WORDS
    since = spell_time(standing.since)
    match standing.verdict:
        case Verdict.NO_CREDIT:
            return Pause(f"no credit at {provider}: {words}")
        case Verdict.KEY_REFUSED:
            return Pause(f"{provider} refuses the key: {words}")
        case Verdict.SILENT if standing.until is not None:
            until = datetime.fromtimestamp(standing.until, UTC)
            return Pause(f"{provider} asks to be left alone until {spell_time(standing.until)}: {words}", until)
        case _:
            return Pause(f"{provider} has been down since {since}: {words}")


def pause_for_refusal(own_words: str | None) -> Pause:
    """Return the pause of a run whose recipe is refused."""
    return Pause(f"recipe refused: {own_words or 'no message'}; change its parameters, then resume")


def spell_time(seconds: float) -> str:
    """Return a moment as people and programs read it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


async def pause_run(context: WorkerContext, generation_id: str, pause: Pause) -> None:
    """Pause a run that is active, waiting for Postgres if it is away."""
    reason = cut_text(pause.reason, LONGEST_REASON_CHARACTERS)

    async def pause_once() -> None:
        async with context.database.transaction() as session:
            if await pause_generation(session, generation_id, reason, pause.resumes_at):
                log.info("generation_paused", generation=generation_id, reason=reason)

    await keep_trying(pause_once, what="pause a generation")
