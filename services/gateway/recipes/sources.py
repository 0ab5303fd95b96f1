"""Values that a recipe takes from a file or an earlier run: fetched once, when the recipe is recorded. From then on
they stand in it like values that were written there, whatever becomes of file and run."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.gateway.files.service import get_file
from services.gateway.recipes.schemas import InlineRecipe
from services.gateway.recipes.value_files import ValueList, ValuesError, read_column
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.bounds import setting_of
from shared.contracts.recipes.axis import MAX_VALUES, Scalar
from shared.contracts.recipes.errors import GridError
from shared.errors import NotFoundError
from shared.stores.db.repositories import generations
from shared.stores.db.repositories.stories import iterate_succeeded


class FileValues(BaseModel):
    """The values of a file's column."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: str = Field(min_length=1, max_length=128)
    column: str | None = Field(None, min_length=1, max_length=512)


class StoryValues(BaseModel):
    """The texts of a run's stories, or one of their attributes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    stories: str = Field(min_length=1, max_length=128)
    attribute: str | None = Field(None, min_length=1, max_length=64)


ORIGIN: Final[TypeAdapter[FileValues | StoryValues]] = TypeAdapter(
    Annotated[FileValues | StoryValues, Field(union_mode="left_to_right")]
)


async def fetch_values(gateway: Gateway, caller: Principal, recipe: InlineRecipe) -> InlineRecipe:
    """Return a recipe with the values in the places where it says where they come from. Raises: GridError that names
    the place, for a file or run that is not there, or whose values cannot be taken."""
    attributes, pools = dict(recipe.attributes), dict(recipe.pools)
    for name, spec in attributes.items():
        if is_origin(spec):
            attributes[name] = await fetch(gateway, caller, f"attributes.{name}", spec)
    for name, pool in pools.items():
        if isinstance(pool.texts, dict):
            texts = [str(value) for value in await fetch(gateway, caller, f"pools.{name}", pool.texts)]
            pools[name] = pool.model_copy(update={"texts": texts})
    return recipe.model_copy(update={"attributes": attributes, "pools": pools})


def is_origin(spec: Any) -> bool:
    """Say whether an attribute's specification says where its values come from."""
    return isinstance(spec, dict) and ("file" in spec or "stories" in spec)


async def fetch(gateway: Gateway, caller: Principal, place: str, spec: Any) -> list[Scalar]:
    """Return the values of one origin. Raises: as `fetch_values`."""
    try:
        origin = ORIGIN.validate_python(spec)
    except ValidationError as error:
        message = f'{place}: give {{"file": id, "column": name}} or {{"stories": generation, "attribute": name}}.'
        raise GridError(message, param=place) from error
    values = ValueList(gateway.bounds.now.max_body_bytes, MAX_VALUES)
    try:
        if isinstance(origin, FileValues):
            return await fetch_column(gateway, caller, origin, values)
        return await fetch_stories(gateway, caller, origin, values)
    except ValuesError as error:
        what = f"the file '{origin.file}'" if isinstance(origin, FileValues) else f"the run '{origin.stories}'"
        raise GridError(f"{place}: {what} cannot be used: {error}.", param=place) from error
    except NotFoundError as error:
        raise GridError(f"{place}: {error.message}", param=place) from error


async def fetch_column(gateway: Gateway, caller: Principal, origin: FileValues, values: ValueList) -> list[Scalar]:
    """Return a column's values. Raises: ValuesError when they cannot be taken, NotFoundError without it."""
    file = await get_file(gateway, caller, origin.file)
    most = gateway.bounds.now.max_values_file_bytes
    if file.bytes > most:
        raise ValuesError(
            f"it has {file.bytes} bytes, and at most {most} are read ({setting_of('max_values_file_bytes')})"
        )

    def read() -> list[Scalar]:
        with gateway.objects.open(file.sha256) as content:
            return read_column(content, file.filename, origin.column, values)

    try:
        return await gateway.computing.run(caller.project_id, read)
    except FileNotFoundError as error:
        raise NotFoundError("The file is not in the object store.", param="file") from error


async def fetch_stories(gateway: Gateway, caller: Principal, origin: StoryValues, values: ValueList) -> list[Scalar]:
    """Return what a run has written. Raises: ValuesError when it cannot be taken, NotFoundError without the run."""
    async with gateway.database.transaction() as session:
        run = await generations.find_generation(session, caller.project_id, origin.stories)
    if run is None:
        raise NotFoundError(f"No generation '{origin.stories}' in this project.", param="stories")
    async for batch in iterate_succeeded(gateway.database.transaction, run.id):
        for story in batch:
            if story.review == "rejected":
                continue
            if origin.attribute is None:
                values.add(story.text or "")
            elif origin.attribute in story.attributes:
                values.add(story.attributes[origin.attribute])
            else:
                there = ", ".join(sorted(story.attributes)) or "none"
                raise ValuesError(f"its stories have no attribute '{origin.attribute}'; they have: {there}")
    return values.finish()
