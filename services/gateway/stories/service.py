"""Read and review stories."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.gateway.stories.schemas import StoryReview
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.clock import unix_seconds
from shared.contracts.recipes.errors import TemplateError
from shared.contracts.recipes.prompts import read_prompts
from shared.errors import ConflictError, NotFoundError
from shared.http.answers import Json
from shared.stores.db.models import Attempt, Generation, RecipeVersion, Story
from shared.stores.db.repositories import dataset_versions, generations, model_facts, recipes, stories
from shared.stores.db.repositories.pages import Page
from shared.stores.db.repositories.stories import StoryFilter

Origin = tuple[Generation, RecipeVersion]


async def list_stories(gateway: Gateway, caller: Principal, wanted: StoryFilter, page: Page) -> tuple[list[Json], bool]:
    """Return a page of story objects. Raises: NotFoundError for a run or cursor that is not there."""
    async with gateway.database.transaction() as session:
        if wanted.generation_id is not None:
            await require_generation(session, caller, wanted.generation_id)
        if page.after is not None:
            await require_story(session, caller, page.after, "after", wanted.generation_id)
        found, has_more = await stories.list_stories(session, caller.project_id, wanted, page)
        origins = await load_origins(session, found)
    return await shape_stories(gateway, caller, found, origins), has_more


async def require_generation(session: AsyncSession, caller: Principal, generation_id: str) -> None:
    """Pass when the run is the caller's. Raises: NotFoundError when it is not."""
    if await generations.find_generation(session, caller.project_id, generation_id) is None:
        raise NotFoundError(f"No generation '{generation_id}' in this project.", param="generation")


async def require_story(
    session: AsyncSession, caller: Principal, story_id: str, param: str = "id", generation_id: str | None = None
) -> Story:
    """Return a story of the caller's, of that run if one is given. Raises: NotFoundError when it is not."""
    story = await stories.find_story(session, caller.project_id, story_id)
    if story is None or generation_id not in {None, story.generation_id}:
        raise NotFoundError(f"No story '{story_id}' there.", param=param)
    return story


async def get_story(gateway: Gateway, caller: Principal, story_id: str) -> Json:
    """Return a story object. Raises: NotFoundError when the project has none such."""
    async with gateway.database.transaction() as session:
        story = await require_story(session, caller, story_id)
        origins = await load_origins(session, [story])
    return (await shape_stories(gateway, caller, [story], origins))[0]


async def review_story(gateway: Gateway, caller: Principal, story_id: str, review: StoryReview) -> Json:
    """Set review and text as given. Raises: NotFoundError, ConflictError for a story that is not written yet."""
    values: dict[str, Any] = review.model_dump(include=review.model_fields_set)
    if review.text is not None:
        values["sha256"] = hashlib.sha256(review.text.encode()).hexdigest()
    async with gateway.database.transaction() as session:
        story = await require_story(session, caller, story_id)
        if story.status != "succeeded":
            raise ConflictError(f"The story is {story.status}; only a finished one can be reviewed.", param="id")
        await stories.review_story(session, story, values=values)
        origins = await load_origins(session, [story])
    return (await shape_stories(gateway, caller, [story], origins))[0]


async def describe_lineage(gateway: Gateway, caller: Principal, story_id: str) -> Json:
    """Return where a story comes from: run, recipe version, every upstream call; and which datasets hold it and which
    models were trained on it. Raises: NotFoundError when the project has no such story."""
    async with gateway.database.transaction() as session:
        story = await require_story(session, caller, story_id)
        run, version = (await load_origins(session, [story]))[story.generation_id]
        attempts = await stories.list_attempts(session, story_id)
        datasets = await dataset_versions.list_datasets_of_story(session, story_id)
        models = await model_facts.list_models_of_story(session, caller.project_id, story_id)
    return {
        "object": "story.lineage",
        "story_id": story.id,
        "row_key": story.row_key,
        "generation_id": run.id,
        "recipe_id": version.recipe_id,
        "recipe_version_id": version.id,
        "recipe_version": version.number,
        "attributes": order_attributes(story, version),
        "repeat": story.repeat,
        "model": run.model,
        "parameters": run.parameters,
        "is_edited": story.original_text is not None,
        "attempts": [shape_attempt(attempt) for attempt in attempts],
        "datasets": datasets,
        "models": models,
    }


async def load_origins(session: AsyncSession, found: Sequence[Story]) -> dict[str, Origin]:
    """Return run and recipe version of stories, by run id."""
    runs = {run.id: run for run in await generations.list_by_ids(session, [story.generation_id for story in found])}
    versions = await recipes.list_versions(session, [run.recipe_version_id for run in runs.values()])
    return {run.id: (run, versions[run.recipe_version_id][1]) for run in runs.values()}


async def shape_stories(
    gateway: Gateway, caller: Principal, found: Sequence[Story], origins: Mapping[str, Origin]
) -> list[Json]:
    """Return story objects, made beside the loop: each may ask for another template to be compiled."""

    def shape_all() -> list[Json]:
        return [shape_story(story, *origins[story.generation_id]) for story in found]

    return await gateway.computing.run(caller.project_id, shape_all)


def shape_story(story: Story, run: Generation, version: RecipeVersion) -> Json:
    """Return the story object; its prompt is rendered from the recipe version, which never changes."""
    attributes = order_attributes(story, version)
    status = stories.read_status(story, run)
    finished_at = run.finished_at if status == "cancelled" and story.finished_at is None else story.finished_at
    failure = {"class": story.failure_class, "message": story.failure_message} if story.failure_class else None
    return {
        "id": story.id,
        "object": "story",
        "generation_id": story.generation_id,
        "attributes": attributes,
        "repeat": story.repeat,
        "position": story.position,
        "prompt": render_prompt(version, attributes, story.repeat),
        "text": story.text,
        "original_text": story.original_text,
        "status": status,
        "attempt": story.attempt,
        "failure": failure,
        "finish_reason": story.finish_reason,
        "model": story.model,
        "usage": shape_usage(story.prompt_tokens, story.completion_tokens),
        "cost_usd": None if story.cost_usd is None else float(story.cost_usd),
        "sha256": story.sha256,
        "review": story.review,
        "created_at": unix_seconds(story.created_at),
        "finished_at": unix_seconds(finished_at) if finished_at else None,
    }


def render_prompt(version: RecipeVersion, attributes: dict[str, Any], repeat: int) -> str | None:
    """Return a story's prompt; None where the template does not render, for which the story failed. A recipe is tried
    on one cell only, and one bad cell must not hide the others."""
    try:
        return read_prompts(version.template, version.pools).render(attributes, repeat)
    except TemplateError:
        return None


def order_attributes(story: Story, version: RecipeVersion) -> dict[str, Any]:
    """Return the attributes in the recipe's order, which JSONB forgets."""
    return {name: story.attributes[name] for name in version.attribute_names}


def shape_usage(prompt_tokens: int | None, completion_tokens: int | None) -> dict[str, int] | None:
    """Return OpenAI's usage object, None while nothing was counted."""
    if prompt_tokens is None and completion_tokens is None:
        return None
    prompt, completion = prompt_tokens or 0, completion_tokens or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def shape_attempt(attempt: Attempt) -> Json:
    """Return one upstream call."""
    return {
        "id": attempt.id,
        "number": attempt.number,
        "provider": attempt.provider,
        "model": attempt.model,
        "outcome": attempt.outcome,
        "failure_class": attempt.failure_class,
        "rejected": shape_reject(attempt),
        "upstream_request_id": attempt.upstream_request_id,
        "usage": shape_usage(attempt.prompt_tokens, attempt.completion_tokens),
        "cost_usd": None if attempt.spent_usd is None else float(attempt.spent_usd),
        "started_at": unix_seconds(attempt.started_at),
        "finished_at": unix_seconds(attempt.finished_at) if attempt.finished_at else None,
    }


def shape_reject(attempt: Attempt) -> dict[str, Any] | None:
    """Return the text that a rule of the recipe refused, and why; None for any other call."""
    if attempt.rejected_because is None:
        return None
    return {"text": attempt.rejected_text, "because": attempt.rejected_because}
