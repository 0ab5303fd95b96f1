"""The two sides of a comparison: where each is asked, in which form, and what its prompts must end in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.workers.models.evaluate_task import find_target
from services.workers.models.paid_calls import PaidCalls
from services.workers.process.context import WorkerContext
from shared.outside.providers.border.answers import Kind
from shared.outside.providers.configuration import Target
from shared.outside.providers.template_contract import TemplateContract, keep_contract, read_contract
from shared.stores.db.models import ModelComparison
from shared.stores.db.repositories.registry import find_model


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of the two models."""

    target: Target
    kind: Kind
    contract: TemplateContract | None

    async def write(self, calls: PaidCalls, prompt: str, parameters: Mapping[str, Any]) -> str:
        """Return the model's text for a prompt. Raises: LlmError when the provider refuses, or patience is over."""
        asked = {"messages": [{"role": "user", "content": prompt}]} if self.kind == "chat" else {"prompt": prompt}
        body = keep_contract(self.contract, self.kind, {**parameters, **asked}).body
        return (await calls.ask(self.target, self.kind, body)).text


async def find_sides(context: WorkerContext, row: ModelComparison) -> tuple[ComparedSide, ComparedSide]:
    """Return the model and what it is held against. Raises: CannotScoreError when one is served no more."""
    return (
        await find_side(context, row.project_id, row.model, row.request["format"]),
        await find_side(context, row.project_id, row.against, row.request["against_format"]),
    )


async def find_side(context: WorkerContext, project_id: str, model: str, form: str) -> ComparedSide:
    """Return one side. Raises: CannotScoreError when no provider serves the model."""
    async with context.database.transaction() as session:
        tuned = await find_model(session, project_id, model)
    kind: Kind = "chat" if form == "chat" else "completion"
    return ComparedSide(await find_target(context, model), kind, read_contract(tuned.template) if tuned else None)
