"""From a moderation request to its one row, and back. Only a provider can moderate: who has none is told what to do."""

from collections.abc import Sequence

from services.gateway.interactive.texts import OpenTexts
from services.gateway.models.naming import name_model
from services.gateway.moderations.schemas import DEFAULT_MODEL, ModerationRequest
from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import NotFoundError
from shared.http.answers import Json
from shared.outside.providers.configuration import ENGINE
from shared.stores.db.models import Completion


async def choose_model(gateway: Gateway, caller: Principal, asked: str | None) -> str:
    """Return the model that judges. Raises: NotFoundError, with what to do, where none does."""
    try:
        named = await name_model(gateway, caller, asked or DEFAULT_MODEL)
    except NotFoundError as error:
        raise nobody_moderates(asked or DEFAULT_MODEL) from error
    if named.listed.provider == ENGINE:
        raise nobody_moderates(named.asked)
    return named.asked


def nobody_moderates(model: str) -> NotFoundError:
    """Return the error for a model that no provider here moderates with."""
    return NotFoundError(
        f"No provider here moderates with '{model}': the built-in engine writes texts and judges none. Set "
        "OPENAI_API_KEY, or name in providers.toml a provider that has /moderations, and then one of its models.",
        param="model",
        code="model_not_found",
    )


def build_request(body: ModerationRequest) -> Json:
    """Return the provider's body."""
    return body.model_dump(exclude_unset=True, exclude_none=True, exclude={"model"})


def shape_moderation(texts: OpenTexts, rows: Sequence[Completion]) -> Json:
    """Return the provider's results under our id and the model's name."""
    result = (rows[0].extra or {})["result"]
    return {
        "id": f"modr-{texts.unique_part}",
        "model": rows[0].upstream_model or texts.model,
        "results": result["results"],
    }
