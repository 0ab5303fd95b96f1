"""Models measured on validation files: the cells of the forgetting matrix."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.contracts.statuses import EVALUATION
from shared.stores.db.models import Model, ModelEvaluation


def list_cells(line: Sequence[Model]) -> list[tuple[str, str]]:
    """Return the pairs (model, validation file) that say how much a model forgot: itself on its own and every
    ancestor's file, each ancestor on its own. `line` is the model, then its ancestors; deleted ones are left out."""
    model, *ancestors = line
    measured = [one for one in line if one.validation_file_id is not None]
    own = [(model.name, one.validation_file_id) for one in measured]
    theirs = [(one.name, one.validation_file_id) for one in ancestors if one in measured and one.deleted_at is None]
    return [(name, file_id) for name, file_id in [*own, *theirs] if file_id is not None]


async def queue_matrix(session: AsyncSession, line: Sequence[Model], api_key_id: str) -> list[str]:
    """Queue the cells of a model's line that nobody has asked for yet; return their ids, to be sent."""
    return await queue_evaluations(session, line[0].project_id, api_key_id, list_cells(line))


async def queue_evaluations(
    session: AsyncSession, project_id: str, api_key_id: str, cells: Iterable[tuple[str, str]]
) -> list[str]:
    """Queue evaluations, each pair once for ever; return the ids of the new ones."""
    rows = [
        {
            "id": ids.new_id(ids.MODEL_EVALUATION),
            "project_id": project_id,
            "api_key_id": api_key_id,
            "model": model,
            "file_id": file_id,
            "status": "queued",
        }
        for model, file_id in cells
    ]
    if not rows:
        return []
    statement = insert(ModelEvaluation).values(rows).on_conflict_do_nothing().returning(ModelEvaluation.id)
    return list((await session.scalars(statement)).all())


async def requeue_failed(session: AsyncSession, project_id: str, cells: Collection[tuple[str, str]]) -> list[str]:
    """Queue failed evaluations of these pairs once more; return their ids, to be sent."""
    found = await list_evaluations(session, project_id, cells)
    failed = [one.id for one in found if one.status in EVALUATION.repeatable]
    statement = (
        update(ModelEvaluation)
        .where(ModelEvaluation.id.in_(failed), ModelEvaluation.status.in_(EVALUATION.repeatable))
        .values(status="queued", attempt=0, error=None, finished_at=None, lease_until=None, created_at=func.now())
        .returning(ModelEvaluation.id)
    )
    return list((await session.scalars(statement)).all())


async def list_evaluations(
    session: AsyncSession, project_id: str, cells: Collection[tuple[str, str]]
) -> Sequence[ModelEvaluation]:
    """Return what is known of these pairs."""
    query = select(ModelEvaluation).where(
        ModelEvaluation.project_id == project_id,
        ModelEvaluation.model.in_({model for model, _ in cells}),
        ModelEvaluation.file_id.in_({file_id for _, file_id in cells}),
    )
    wanted = set(cells)
    query = query.execution_options(populate_existing=True)
    return [one for one in await session.scalars(query) if (one.model, one.file_id) in wanted]


async def find_evaluation(session: AsyncSession, project_id: str, evaluation_id: str) -> ModelEvaluation | None:
    """Return an evaluation of the project."""
    query = select(ModelEvaluation).where(ModelEvaluation.id == evaluation_id, ModelEvaluation.project_id == project_id)
    return (await session.scalars(query)).one_or_none()


async def get_evaluation(session: AsyncSession, evaluation_id: str) -> ModelEvaluation:
    """Return an evaluation of whatever project, for the worker that holds it."""
    return await session.get_one(ModelEvaluation, evaluation_id)
