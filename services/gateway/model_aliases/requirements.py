"""Whether a model may be promoted: what a comparison or an evaluation of it must have come to."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.model_aliases.schemas import Requirement
from shared.errors import ConflictError, NotFoundError
from shared.stores.db.repositories import comparisons, evaluations

CODE = "requirement_not_met"


async def check_requirement(session: AsyncSession, project_id: str, model: str, required: Requirement) -> None:
    """Pass when everything that is required holds. Raises: NotFoundError, ConflictError that says what does not."""
    if required.comparison is not None:
        await check_comparison(session, project_id, model, required)
    if required.evaluation is not None:
        await check_evaluation(session, project_id, model, required)


async def check_comparison(session: AsyncSession, project_id: str, model: str, required: Requirement) -> None:
    """Pass when the model won often enough. Raises: NotFoundError when the project has no such comparison,
    ConflictError when it is another model's, not over, or too low."""
    assert required.comparison is not None
    found = await comparisons.find_comparison(session, project_id, required.comparison)
    if found is None:
        raise NotFoundError(f"No comparison '{required.comparison}' in this project.", param="require.comparison")
    if found.model != model:
        refuse(f"The comparison '{found.id}' is of '{found.model}', not of '{model}'.", "require.comparison")
    result = found.result or {}
    if found.status != "succeeded" or result.get("win_rate") is None:
        refuse(f"The comparison '{found.id}' is {found.status}, without a win rate.", "require.comparison")
    low = result["interval"][0]
    if result["win_rate"] < required.min_win_rate:
        refuse(
            f"'{model}' won {result['win_rate']:.0%} of {result['pairs']} pairs; {required.min_win_rate:.0%} are "
            "required.",
            "require.min_win_rate",
        )
    if required.min_lower_bound is not None and low < required.min_lower_bound:
        refuse(
            f"The win rate of '{model}' may be as low as {low:.0%}; {required.min_lower_bound:.0%} are required: "
            "compare more pairs.",
            "require.min_lower_bound",
        )


async def check_evaluation(session: AsyncSession, project_id: str, model: str, required: Requirement) -> None:
    """Pass when the model's loss is low enough. Raises: NotFoundError when the project has no such evaluation,
    ConflictError when it is another model's, not over, or too high."""
    assert required.evaluation is not None
    assert required.max_loss is not None
    found = await evaluations.find_evaluation(session, project_id, required.evaluation)
    if found is None:
        raise NotFoundError(f"No evaluation '{required.evaluation}' in this project.", param="require.evaluation")
    if found.model != model:
        refuse(f"The evaluation '{found.id}' is of '{found.model}', not of '{model}'.", "require.evaluation")
    if found.status != "succeeded" or found.loss is None:
        refuse(f"The evaluation '{found.id}' is {found.status}, without a loss.", "require.evaluation")
    elif found.loss > required.max_loss:
        refuse(f"The loss of '{model}' is {found.loss:.4f}; at most {required.max_loss:.4f} is required.", "require")


def refuse(message: str, param: str) -> None:
    """Say why a model is not promoted. Raises: ConflictError always, with the code that promotions share."""
    raise ConflictError(message, param=param, code=CODE)
