"""The prompts of a comparison: short ones for the tuned model, whole ones for what it is held against."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.comparisons.schemas import ComparisonRequest
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.contracts.recipes.errors import TemplateError
from shared.contracts.recipes.grid import read_grid
from shared.contracts.recipes.prompts import read_prompts as read_row_prompts
from shared.contracts.recipes.template import PromptTemplate, compile_template
from shared.errors import InvalidRequestError, NotFoundError
from shared.stores.db.repositories import files, generations, recipes
from shared.texts.row_bound import RowBound
from shared.texts.training_rows import BadLineError, check_text, number_lines, parse_line

MOST_LINES: Final = 10_000
"""Of a file, that are looked at."""
ATTRIBUTE_SEPARATOR: Final = ","
"""As datasets join a cell's values into a short prompt, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class PromptPair:
    """One task, as either side is asked it."""

    short: str
    long: str


async def choose_prompts(gateway: Gateway, caller: Principal, request: ComparisonRequest) -> list[PromptPair]:
    """Return at most `samples` prompts, drawn by the seed. Raises: NotFoundError when the project has no such run or
    file, InvalidRequestError when its rows or the template cannot be used."""
    template = compile_long(request.long_prompt_template)
    if request.generation is not None:
        async with gateway.database.transaction() as session:
            return await choose_cells(session, caller, request, template)
    found = request.prompts or await read_file_prompts(gateway, caller, request.file or "")
    return [pair_up(prompt, template) for prompt in draw(list(dict.fromkeys(found)), request)]


def draw(found: Sequence[str], request: ComparisonRequest) -> list[str]:
    """Return the prompts that are taken, in their order."""
    if len(found) <= request.samples:
        return list(found)
    places = random.Random(request.seed).sample(range(len(found)), request.samples)  # noqa: S311
    return [found[place] for place in sorted(places)]


def pair_up(prompt: str, template: PromptTemplate | None) -> PromptPair:
    """Return a prompt for both sides. Raises: InvalidRequestError when the template fails on this prompt."""
    return PromptPair(prompt, render(template, {"prompt": prompt}) if template else prompt)


async def choose_cells(
    session: AsyncSession, caller: Principal, request: ComparisonRequest, template: PromptTemplate | None
) -> list[PromptPair]:
    """Return cells of a run's recipe: joined values against the recipe's whole prompt, or the given template. Raises:
    NotFoundError when the project has no such run, InvalidRequestError when the template fails on a cell."""
    run = await generations.find_generation(session, caller.project_id, request.generation or "")
    if run is None:
        raise NotFoundError(f"No generation '{request.generation}' in this project.", param="generation")
    _, version = await recipes.get_version(session, run.recipe_version_id)
    grid = read_grid(version.attributes, version.attribute_names, version.selection)
    count = min(request.samples, grid.cell_count)
    places = sorted(random.Random(request.seed).sample(range(grid.cell_count), count))  # noqa: S311
    whole = read_row_prompts(version.template, version.pools)
    pairs = []
    for cell in (grid.cell(place) for place in places):
        short = ATTRIBUTE_SEPARATOR.join(str(value) for value in cell.values())
        long = render(template, {**cell, "prompt": short}) if template else render(whole.template, whole.fill(cell, 0))
        pairs.append(PromptPair(short, long))
    return pairs


async def read_file_prompts(gateway: Gateway, caller: Principal, file_id: str) -> list[str]:
    """Return the prompts of a file's rows. Raises: NotFoundError when the project or the store has no such file,
    InvalidRequestError with the first row that has no prompt, and why."""
    async with gateway.database.transaction() as session:
        file = await files.find_file(session, caller.project_id, file_id)
    if file is None:
        raise NotFoundError(f"No file '{file_id}' in this project.", param="file")
    try:
        return await gateway.computing.run(caller.project_id, read_prompts, gateway, file.sha256)
    except BadLineError as error:
        message = f"The file '{file_id}' has rows that are not of prompt and completion: {error}."
        raise InvalidRequestError(message, param="file", code="invalid_file") from error
    except FileNotFoundError as error:
        raise NotFoundError("The file is not in the object store.", param="file") from error


def read_prompts(gateway: Gateway, sha256: str) -> list[str]:
    """Return the prompts. Raises: BadLineError for a row without one, and for a file without rows."""
    bound = RowBound.of(gateway.bounds.now)
    with gateway.objects.open(sha256) as source:
        lines = number_lines(islice(bound.read_lines(source), MOST_LINES))
        prompts = [read_prompt(number, line, bound) for number, line in lines]
    if not prompts:
        raise BadLineError("it has no rows")
    return prompts


def read_prompt(number: int, line: bytes, bound: RowBound) -> str:
    """Return a row's prompt; it needs no completion here. Raises: BadLineError with the line and why it has none."""
    try:
        prompt = check_text(parse_line(line, bound), "prompt")
        if not prompt:
            raise BadLineError('"prompt" is empty')
    except BadLineError as error:
        raise BadLineError(f"line {number}: {error}") from error
    return prompt


def compile_long(template: str | None) -> PromptTemplate | None:
    """Return the template of whole prompts. Raises: InvalidRequestError when it is no template."""
    if template is None:
        return None
    try:
        return compile_template(template)
    except TemplateError as error:
        raise InvalidRequestError(error.message, param="long_prompt_template") from error


def render(template: PromptTemplate, values: Mapping[str, object]) -> str:
    """Return a whole prompt. Raises: InvalidRequestError when the template fails on these values."""
    try:
        return template.render(values)
    except TemplateError as error:
        raise InvalidRequestError(error.message, param="long_prompt_template") from error
