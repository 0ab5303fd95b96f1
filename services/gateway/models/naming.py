"""What a model's name in a request means: an alias, a legacy name, a tuned model of the project, or a provider's."""

import random
from dataclasses import dataclass
from urllib.parse import quote

from services.gateway.wiring import Gateway
from shared.auth.principal import Principal
from shared.errors import InvalidRequestError, NotFoundError
from shared.outside.providers.catalog import CatalogModel
from shared.outside.providers.template_contract import TemplateContract, read_contract
from shared.stores.db.models import Model
from shared.stores.db.repositories import registry

MODEL_HEADER = "x-storymill-model"
"""The provider's name of the model: what an alias or an old name led to."""
WARNING_HEADER = "x-storymill-warning"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model that may be asked, under the name that the client used."""

    asked: str
    name: str
    """The provider's."""
    row: Model | None
    """The project's own tuned model, if it is one."""
    listed: CatalogModel

    @property
    def contract(self) -> TemplateContract | None:
        """What prompts must end in and texts stop at."""
        return read_contract(self.row.template) if self.row else None


async def name_model(gateway: Gateway, caller: Principal, asked: str | None) -> NamedModel:
    """Return what a name means now; an alias with a canary is decided anew by each call.

    Raises: InvalidRequestError without a name; NotFoundError when nobody serves it, or not to this project.
    """
    if not asked:
        raise InvalidRequestError("you must provide a model parameter", param="model")
    if (caller.project_id, asked) in gateway.plain_names and (known := await gateway.catalog.find(asked)) is not None:
        return NamedModel(asked, asked, None, known)
    async with gateway.database.transaction() as session:
        resolved = await registry.resolve_name(session, caller.project_id, asked, random.random())  # noqa: S311
        hidden = resolved.row is None and await registry.is_foreign(session, caller.project_id, resolved.model_name)
    listed = None if hidden else await gateway.catalog.find(resolved.model_name)
    if listed is None:
        raise model_not_found(asked)
    if resolved.row is None and resolved.via_alias is None:
        gateway.plain_names.add(caller.project_id, asked)
    return NamedModel(asked, resolved.model_name, resolved.row, listed)


def model_headers(served_model: str, warning: str | None) -> dict[str, str]:
    """Return what an answer says of the model beside its body: its name at the provider, and what had to be changed in
    a prompt to keep its template contract."""
    told = {WARNING_HEADER: warning} if warning else {}
    return {MODEL_HEADER: quote(served_model, safe=":/@ "), **told}


def model_not_found(model: str) -> NotFoundError:
    """Return the error for a model that nobody serves, in OpenAI's words."""
    return NotFoundError(
        f"The model '{model}' does not exist or you do not have access to it. GET /v1/models lists the models.",
        param="model",
        code="model_not_found",
    )
