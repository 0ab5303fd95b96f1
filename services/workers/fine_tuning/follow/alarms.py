"""What a person should look at while a job runs: a loss that is no number, a validation loss that only rises."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.fine_tuning.upstream.metric_names import is_broken
from services.workers.fine_tuning.upstream.provider import UpstreamEvent
from shared.stores.db.repositories.fine_tuning_events import NewEvent, has_event
from shared.stores.db.repositories.fine_tuning_metrics import read_validation_losses

RISES_IN_A_ROW: Final = 3
OVERFITTING: Final = "overfitting"
NOT_A_NUMBER: Final = "loss_not_a_number"


async def find_alarms(session: AsyncSession, job_id: str, events: Sequence[UpstreamEvent]) -> list[NewEvent]:
    """Return the alarms that the new events give rise to, each once in a job; their metrics are recorded."""
    raised = []
    broken = next((event for event in events if is_broken(event.data)), None)
    if broken is not None and not await has_event(session, job_id, NOT_A_NUMBER):
        message = f"The loss is not a number any more ({broken.message}): lower the learning rate, or look at the data"
        raised.append(NewEvent(message, level="warn", data={"code": NOT_A_NUMBER}))
    if any(event.type == "metrics" for event in events):
        raised += await find_overfitting(session, job_id)
    return raised


async def find_overfitting(session: AsyncSession, job_id: str) -> list[NewEvent]:
    """Return an alarm when the validation loss has just risen three times in a row."""
    rows = await read_validation_losses(session, job_id)
    turn = find_turn([loss for _, loss in rows])
    if turn is None or await has_event(session, job_id, OVERFITTING):
        return []
    step, loss = rows[turn]
    message = (
        f"Validation loss has risen {RISES_IN_A_ROW} times in a row since step {step} ({loss:.4f}): "
        "the model begins to learn the training rows by heart"
    )
    return [NewEvent(message, level="warn", data={"code": OVERFITTING, "step": step, "valid_loss": loss})]


def find_turn(losses: Sequence[float | None]) -> int | None:
    """Return the place after which the losses rose so many times in a row for the first time."""
    rises = 0
    for index in range(1, len(losses)):
        before, now = losses[index - 1], losses[index]
        rises = rises + 1 if before is not None and now is not None and now > before else 0
        if rises == RISES_IN_A_ROW:
            return index - RISES_IN_A_ROW
    return None
