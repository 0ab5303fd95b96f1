"""Aliases: set, promoted, rolled back. Every change is a numbered row of the audit trail."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.stores.db.models import ModelAlias, ModelAliasChange

CREATED, PROMOTED, CANARY, ROLLED_BACK, DELETED = "created", "promoted", "canary", "rolled_back", "deleted"


async def find_alias(session: AsyncSession, project_id: str, alias: str) -> ModelAlias | None:
    """Return an alias of the project."""
    return await session.get(ModelAlias, (project_id, alias))


async def list_aliases(session: AsyncSession, project_id: str) -> Sequence[ModelAlias]:
    """Return a project's aliases by name."""
    query = select(ModelAlias).where(ModelAlias.project_id == project_id).order_by(ModelAlias.alias)
    return (await session.scalars(query)).all()


async def list_aliases_of(session: AsyncSession, project_id: str, model: str) -> list[str]:
    """Return the aliases that lead to a model, as their main or canary one."""
    query = (
        select(ModelAlias.alias)
        .where(ModelAlias.project_id == project_id)
        .where(or_(ModelAlias.model == model, ModelAlias.canary_model == model))
        .order_by(ModelAlias.alias)
    )
    return list((await session.scalars(query)).all())


async def list_changes(session: AsyncSession, project_id: str, alias: str) -> Sequence[ModelAliasChange]:
    """Return an alias's history, the oldest change first; it outlives the alias."""
    query = (
        select(ModelAliasChange)
        .where(ModelAliasChange.project_id == project_id, ModelAliasChange.alias == alias)
        .order_by(ModelAliasChange.version)
    )
    return (await session.scalars(query)).all()


async def set_alias(
    session: AsyncSession,
    *,
    project_id: str,
    alias: str,
    model: str,
    changed_by: str,
    canary_model: str | None = None,
    canary_share: float | None = None,
    reason: str | None = None,
    action: str | None = None,
) -> ModelAlias:
    """Make an alias or point it elsewhere. `action` is worked out unless given."""
    row, is_new = await lock_alias(session, project_id, alias, model)
    row.model, row.canary_model, row.canary_share = model, canary_model, canary_share
    worked_out = CREATED if is_new else CANARY if canary_model is not None else PROMOTED
    await record_change(session, row, action or worked_out, changed_by, reason)
    return row


async def roll_back(
    session: AsyncSession, *, project_id: str, alias: str, changed_by: str, reason: str | None = None
) -> ModelAlias | None:
    """Point an alias where it pointed before its last change that was not taken back yet; None when there is nothing
    to go back to."""
    row = await lock_existing(session, project_id, alias)
    target = find_rollback(await list_changes(session, project_id, alias)) if row else None
    if row is None or target is None:
        return None
    assert target.model is not None
    row.model, row.canary_model, row.canary_share = target.model, target.canary_model, target.canary_share
    await record_change(session, row, ROLLED_BACK, changed_by, reason or f"back to version {target.version}")
    return row


async def delete_alias(session: AsyncSession, *, project_id: str, alias: str, changed_by: str) -> bool:
    """Delete an alias; its history stays. False when there is none."""
    row = await lock_existing(session, project_id, alias)
    if row is None:
        return False
    await record_change(session, row, DELETED, changed_by, None)
    await session.delete(row)
    return True


def find_rollback(changes: Sequence[ModelAliasChange]) -> ModelAliasChange | None:
    """Return the change to go back to: each rollback undoes one change, so that a second goes further back."""
    standing: list[ModelAliasChange] = []
    for change in changes:
        if change.action == DELETED:
            standing.clear()
        elif change.action == ROLLED_BACK:
            standing.pop()
        else:
            standing.append(change)
    return standing[-2] if len(standing) > 1 else None


async def lock_alias(session: AsyncSession, project_id: str, alias: str, model: str) -> tuple[ModelAlias, bool]:
    """Return the locked row of an alias, and whether it was made just now."""
    made = (
        insert(ModelAlias)
        .values(project_id=project_id, alias=alias, model=model, version=0)
        .on_conflict_do_nothing()
        .returning(ModelAlias.alias)
    )
    is_new = await session.scalar(made) is not None
    row = await lock_existing(session, project_id, alias)
    assert row is not None
    return row, is_new


async def lock_existing(session: AsyncSession, project_id: str, alias: str) -> ModelAlias | None:
    """Return the row of an alias, locked until the commit."""
    query = select(ModelAlias).where(ModelAlias.project_id == project_id, ModelAlias.alias == alias).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def record_change(
    session: AsyncSession, row: ModelAlias, action: str, changed_by: str, reason: str | None
) -> None:
    """Number a change and write it into the history."""
    newest = select(func.max(ModelAliasChange.version)).where(
        ModelAliasChange.project_id == row.project_id, ModelAliasChange.alias == row.alias
    )
    row.version = (await session.scalar(newest) or 0) + 1
    is_deleted = action == DELETED
    change = ModelAliasChange(
        project_id=row.project_id,
        alias=row.alias,
        version=row.version,
        action=action,
        model=None if is_deleted else row.model,
        canary_model=None if is_deleted else row.canary_model,
        canary_share=None if is_deleted else row.canary_share,
        changed_by=changed_by,
        reason=reason,
    )
    session.add(change)
    row.updated_at = func.now()
    await session.flush()
    await session.refresh(row)
