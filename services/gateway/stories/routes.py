"""`/v1/stories…`."""

from typing import Annotated, Literal

import orjson
from fastapi import Query

from services.gateway.http.dependencies import ID_PATTERN, Caller, GatewayDep, InOrder
from services.gateway.http.listings import ListPage
from services.gateway.http.route import own_router
from services.gateway.stories.answers import Lineage
from services.gateway.stories.schemas import Review, Story, StoryReview, StoryStatus
from services.gateway.stories.service import describe_lineage, get_story, list_stories, review_story
from shared.contracts.storable import holds_nul
from shared.errors import InvalidRequestError
from shared.http.answers import Json, JsonAnswer, list_body
from shared.stores.db.repositories.stories import StoryFilter

router = own_router("stories")


@router.get("/stories", summary="List stories", response_model=ListPage[Story])
async def read_stories(
    gateway: GatewayDep,
    caller: Caller,
    page: InOrder,
    generation_id: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    status: StoryStatus | None = None,
    review: Review | Literal["none"] | None = None,
    attributes: Annotated[str | None, Query(description='A JSON object: {"dynasty": "唐"}.', max_length=4096)] = None,
    from_position: Annotated[int | None, Query(ge=0, le=2**53, description="Of one run: from this place on.")] = None,
) -> JsonAnswer:
    """Return stories that match every filter given; those of one run come in its order."""
    if from_position is not None and generation_id is None:
        raise InvalidRequestError("from_position: a place in which run? Give its generation_id.", param="from_position")
    wanted = StoryFilter(generation_id, status, review, read_attributes(attributes), from_position)
    found, has_more = await list_stories(gateway, caller, wanted, page)
    return JsonAnswer(list_body(found, has_more=has_more))


@router.get("/stories/{story_id}", summary="Get a story", response_model=Story)
async def read_story(story_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return one story as it stands, its edits and review included."""
    return JsonAnswer(await get_story(gateway, caller, story_id))


@router.patch("/stories/{story_id}", summary="Review or correct a story", response_model=Story)
async def update_story(story_id: str, body: StoryReview, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Set `review`, `text` or both. What the model wrote is kept as `original_text`."""
    return JsonAnswer(await review_story(gateway, caller, story_id, body))


@router.get("/stories/{story_id}/lineage", summary="Say where a story comes from", response_model=Lineage)
async def read_lineage(story_id: str, gateway: GatewayDep, caller: Caller) -> JsonAnswer:
    """Return run, recipe version and every upstream call of a story."""
    return JsonAnswer(await describe_lineage(gateway, caller, story_id))


def read_attributes(text: str | None) -> Json:
    """Return the attribute filter. Raises: InvalidRequestError when the text is no JSON object."""
    try:
        value = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"attributes: not JSON: {error}", param="attributes") from error
    if not isinstance(value, dict) or holds_nul(value):
        raise InvalidRequestError('attributes: give a JSON object, like {"dynasty": "唐"}.', param="attributes")
    return value
