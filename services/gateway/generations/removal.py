"""Delete runs that are over."""

from services.gateway.generations.service import get_run
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.statuses import GENERATION
from shared.errors import ConflictError
from shared.http.answers import Json
from shared.stores.db.repositories import generation_removal


async def delete_run(gateway: Gateway, caller: Principal, generation_id: str) -> Json:
    """Delete a run with its stories; what they cost stays on the books. Raises: ConflictError while it is not over, or
    while a dataset has its stories; NotFoundError for one that the project has not."""
    run, _, _ = await get_run(gateway, caller, generation_id)
    async with gateway.database.long_transaction() as session:
        found = await generation_removal.lock_run(session, run.id)
        if found is not None:
            require_over(*found)
            dataset_id = await generation_removal.find_dataset_of_run(session, run)
            if dataset_id is not None:
                message = f"'{dataset_id}' was made from this run's stories, and tells of them. Delete it first."
                raise ConflictError(message, param="id", code="generation_in_use")
            await generation_removal.delete_run(session, run.id)
    return {"id": generation_id, "object": "generation", "deleted": True}


def require_over(status: str, running: int) -> None:
    """Pass for a run that is over, its last calls too. Raises: ConflictError that says what to do."""
    if status not in GENERATION.final:
        raise ConflictError(f"The generation is {status}. Cancel it first.", param="id")
    if running:
        calls = "1 call is" if running == 1 else f"{running} calls are"
        raise ConflictError(f"The generation is {status}, and {calls} under way still: wait for them.", param="id")
