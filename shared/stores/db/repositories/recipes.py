"""Recipes and their immutable versions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import ids
from shared.stores.db.models import Recipe, RecipeVersion
from shared.stores.db.repositories.pages import Page, fetch_page


@dataclass(frozen=True, slots=True)
class RecipeContent:
    """What a recipe version says. `attributes` in their stored form: `shared.contracts.recipes.axis.to_stored_spec`."""

    content_hash: str
    template: str
    attributes: Mapping[str, Any]
    attribute_names: Sequence[str]
    repeats: int
    model: str
    parameters: Mapping[str, Any]
    format: str
    rules: Mapping[str, Any] | None = None
    selection: Mapping[str, Any] | None = None
    pools: Mapping[str, Any] | None = None


async def ensure_recipe(session: AsyncSession, project_id: str, name: str) -> Recipe:
    """Return the project's recipe of that name, made now if there is none; its row is locked until the commit."""
    await session.execute(
        insert(Recipe)
        .values(id=ids.new_id(ids.RECIPE), project_id=project_id, name=name)
        .on_conflict_do_nothing(index_elements=["project_id", "name"])
    )
    query = select(Recipe).where(Recipe.project_id == project_id, Recipe.name == name).with_for_update()
    return (await session.scalars(query)).one()


async def ensure_version(session: AsyncSession, recipe: Recipe, content: RecipeContent) -> tuple[RecipeVersion, bool]:
    """Return the version with this content and whether it is new. `recipe` must be locked (`ensure_recipe`)."""
    query = select(RecipeVersion).where(
        RecipeVersion.recipe_id == recipe.id, RecipeVersion.content_hash == content.content_hash
    )
    known = (await session.scalars(query)).one_or_none()
    if known is not None:
        return known, False
    last = await session.scalar(select(func.max(RecipeVersion.number)).where(RecipeVersion.recipe_id == recipe.id))
    version = RecipeVersion(
        id=ids.new_id(ids.RECIPE_VERSION),
        recipe_id=recipe.id,
        number=(last or 0) + 1,
        content_hash=content.content_hash,
        template=content.template,
        attributes=dict(content.attributes),
        attribute_names=list(content.attribute_names),
        repeats=content.repeats,
        model=content.model,
        parameters=dict(content.parameters),
        format=content.format,
        rules=dict(content.rules) if content.rules else None,
        selection=dict(content.selection) if content.selection else None,
        pools=dict(content.pools) if content.pools else None,
    )
    session.add(version)
    await session.flush()
    await session.refresh(version)
    return version, True


async def find_recipe(session: AsyncSession, project_id: str, name_or_id: str) -> Recipe | None:
    """Return a recipe of the project; an id wins over an equal name."""
    query = (
        select(Recipe)
        .where(Recipe.project_id == project_id, or_(Recipe.id == name_or_id, Recipe.name == name_or_id))
        .order_by((Recipe.id == name_or_id).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def get_newest_version(session: AsyncSession, recipe_id: str) -> RecipeVersion:
    """Return the version of a recipe that a new run takes. Raises: NoResultFound for an unknown recipe."""
    query = (
        select(RecipeVersion).where(RecipeVersion.recipe_id == recipe_id).order_by(RecipeVersion.number.desc()).limit(1)
    )
    return (await session.scalars(query)).one()


def content_of(version: RecipeVersion) -> RecipeContent:
    """Return what a version says."""
    return RecipeContent(
        version.content_hash,
        version.template,
        version.attributes,
        version.attribute_names,
        version.repeats,
        version.model,
        version.parameters,
        version.format,
        version.rules,
        version.selection,
        version.pools,
    )


async def list_newest_versions(session: AsyncSession, recipe_ids: Sequence[str]) -> dict[str, RecipeVersion]:
    """Return the newest version of each recipe, by recipe id."""
    query = (
        select(RecipeVersion)
        .where(RecipeVersion.recipe_id.in_(recipe_ids))
        .ext(distinct_on(RecipeVersion.recipe_id))
        .order_by(RecipeVersion.recipe_id, RecipeVersion.number.desc())
    )
    return {version.recipe_id: version for version in await session.scalars(query)}


async def list_recipes(session: AsyncSession, project_id: str, page: Page) -> tuple[Sequence[Recipe], bool]:
    """Return a page of a project's recipes and whether there is more."""
    return await fetch_page(session, select(Recipe).where(Recipe.project_id == project_id), Recipe.id, page)


async def get_version(session: AsyncSession, version_id: str | None) -> tuple[Recipe, RecipeVersion]:
    """Return a version and its recipe. Raises: NoResultFound for an unknown version, and for the none of a batch."""
    query = select(Recipe, RecipeVersion).join(RecipeVersion, RecipeVersion.recipe_id == Recipe.id)
    recipe, version = (await session.execute(query.where(RecipeVersion.id == version_id))).one()
    return recipe, version


async def list_versions(
    session: AsyncSession, version_ids: Sequence[str | None]
) -> dict[str | None, tuple[Recipe, RecipeVersion]]:
    """Return versions with their recipes, by version id."""
    query = select(Recipe, RecipeVersion).join(RecipeVersion, RecipeVersion.recipe_id == Recipe.id)
    found = await session.execute(query.where(RecipeVersion.id.in_(set(version_ids))))
    return {version.id: (recipe, version) for recipe, version in found}
