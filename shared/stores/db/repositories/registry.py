"""Tuned models and the names that lead to them. Gateway and workers resolve here; nobody else decides what a name
means."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import DatasetVersion, FineTuningCheckpoint, FineTuningJob, Model, ModelAlias
from shared.stores.db.repositories.evaluations import queue_matrix


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a job has made."""

    project_id: str
    name: str
    """The provider's."""
    provider: str
    base_model: str
    """The untuned model at the root of its line."""
    job_id: str
    legacy_name: str | None = None
    parent_id: str | None = None
    dataset_version_id: str | None = None
    validation_file_id: str | None = None
    """None: the validation file of the dataset version, if there is one."""
    template: dict[str, Any] | None = None
    """None: the dataset version's."""
    price: dict[str, Any] | None = None
    shutdown_date: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name leads to."""

    model_name: str
    """The provider's name."""
    row: Model | None
    """The tuned model, None for one that is not ours to know (a provider's own, a checkpoint)."""
    via_alias: str | None


async def register_model(session: AsyncSession, model: NewModel) -> Model:
    """Insert a job's model, once: doing it again returns the first. With ancestors, the evaluations of the forgetting
    matrix are queued in the same transaction (the reaper sends their messages)."""
    values = {**asdict(model), **await take_from_dataset(session, model)}
    statement = (
        insert(Model)
        .values(id=ids.new_id(ids.MODEL), **values)
        .on_conflict_do_nothing(index_elements=[Model.job_id])
        .returning(Model.id)
    )
    is_new = await session.scalar(statement) is not None
    row = (await session.scalars(select(Model).where(Model.job_id == model.job_id))).one()
    if is_new and row.parent_id is not None:
        api_key_id = await session.scalar(select(FineTuningJob.api_key_id).where(FineTuningJob.id == row.job_id))
        assert api_key_id is not None
        await queue_matrix(session, await list_line(session, row), api_key_id)
    return row


async def take_from_dataset(session: AsyncSession, model: NewModel) -> dict[str, Any]:
    """Return the template and validation file of the model's dataset version, where the job named none."""
    version = None
    if model.dataset_version_id is not None:
        version = await session.get(DatasetVersion, model.dataset_version_id)
    if version is None:
        return {}
    return {
        "template": model.template or version.template,
        "validation_file_id": model.validation_file_id or version.validation_file_id,
    }


async def find_model(session: AsyncSession, project_id: str, name: str) -> Model | None:
    """Return a project's model, not deleted, by its name, legacy name or id."""
    query = (
        select(Model)
        .where(Model.project_id == project_id, Model.deleted_at.is_(None))
        .where(or_(Model.name == name, Model.legacy_name == name, Model.id == name))
        .order_by(Model.id.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def find_by_id(session: AsyncSession, model_id: str) -> Model | None:
    """Return a model, deleted ones too: its descendants still name it."""
    return await session.get(Model, model_id)


async def is_foreign(session: AsyncSession, project_id: str, name: str) -> bool:
    """Say whether a provider's name is another project's model or checkpoint, or a deleted one: not to be served."""
    return name in await list_foreign(session, project_id, [name])


async def list_foreign(session: AsyncSession, project_id: str, names: Collection[str]) -> set[str]:
    """Return those of a provider's names that this project may neither see nor use."""
    wanted = list(set(names))
    models = select(Model.name).where(
        Model.name.in_(wanted), or_(Model.project_id != project_id, Model.deleted_at.is_not(None))
    )
    jobs = select(FineTuningJob.upstream_model).where(
        FineTuningJob.upstream_model.in_(wanted), FineTuningJob.project_id != project_id
    )
    checkpoints = (
        select(FineTuningCheckpoint.model)
        .join(FineTuningJob, FineTuningJob.id == FineTuningCheckpoint.job_id)
        .where(FineTuningCheckpoint.model.in_(wanted), FineTuningJob.project_id != project_id)
    )
    found = await session.scalars(models.union(jobs, checkpoints))
    return {name for name in found if name is not None}


async def resolve_name(session: AsyncSession, project_id: str, name: str, roll: float) -> Resolved:
    """Return what a name means to a project: an alias (its canary for a `roll` below the share), then a legacy name,
    then itself. Whether a provider serves the result, and to whom, is for the caller to ask."""
    alias = await session.get(ModelAlias, (project_id, name))
    wanted = name
    if alias is not None:
        is_canary = alias.canary_model is not None and roll < (alias.canary_share or 0.0)
        wanted = str(alias.canary_model) if is_canary else alias.model
    row = await find_model(session, project_id, wanted)
    return Resolved(row.name if row else wanted, row, alias.alias if alias else None)


async def list_models(session: AsyncSession, project_id: str) -> Sequence[Model]:
    """Return a project's models that are not deleted, the oldest first."""
    query = select(Model).where(Model.project_id == project_id, Model.deleted_at.is_(None)).order_by(Model.id)
    return (await session.scalars(query)).all()


async def list_names(session: AsyncSession, model_ids: Collection[str]) -> dict[str, str]:
    """Return the names of models by id, deleted ones too."""
    found = await session.execute(select(Model.id, Model.name).where(Model.id.in_(set(model_ids))))
    return {row[0]: row[1] for row in found}


async def list_line(session: AsyncSession, model: Model) -> list[Model]:
    """Return a model and its ancestors, itself first; deleted ancestors count."""
    line = [model]
    while line[-1].parent_id is not None:
        parent = await session.get(Model, line[-1].parent_id)
        assert parent is not None
        line.append(parent)
    return line


async def list_family(session: AsyncSession, root: Model) -> list[Model]:
    """Return a model and all its descendants, deleted ones too, parents before children."""
    family, level = [root], [root]
    while level:
        query = select(Model).where(Model.parent_id.in_([model.id for model in level])).order_by(Model.id)
        level = list((await session.scalars(query)).all())
        family += level
    return family


async def find_open_child_job(session: AsyncSession, model_id: str) -> str | None:
    """Return a job under way that starts from a model: it must not be deleted meanwhile."""
    query = select(FineTuningJob.id).where(FineTuningJob.parent_model_id == model_id, FineTuningJob.step != "done")
    return (await session.scalars(query.limit(1))).one_or_none()


async def mark_deleted(session: AsyncSession, model: Model) -> None:
    """Hide a model from now on; a worker owes its deletion at the provider."""
    statement = update(Model).where(Model.id == model.id).values(deleted_at=func.now(), removal_due_at=func.now())
    await session.execute(statement)
