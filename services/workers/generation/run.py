"""A run as one worker sees it: what to ask of whom, at what price. Built once per slice; knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from shared.contracts.recipes.template import PromptTemplate, compile_template
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.worst_case import bound_prompt_tokens, find_max_tokens, worst_case_usd
from shared.outside.providers.border.answers import Kind
from shared.outside.providers.configuration import Target
from shared.outside.providers.template_contract import TemplateContract
from shared.stores.db.repositories.generation_progress import WorkOrder

NOT_FOR_ROWS: Final = frozenset({"n", "best_of", "stream", "stream_options", "model", "prompt", "messages"})
"""Request fields that a row decides by itself: one text, whole, from its own prompt."""


@dataclass(frozen=True, slots=True)
class Run:
    """What every call of a run has in common."""

    order: WorkOrder
    target: Target
    quote: PriceQuote
    kind: Kind
    template: PromptTemplate
    parameters: Mapping[str, Any]
    max_tokens: int | None = field(default=None)
    contract: TemplateContract | None = None
    """What the prompts of a tuned model must end in."""

    def render_prompt(self, attributes: Mapping[str, Any]) -> str:
        """Return a cell's prompt as it is sent. Raises: TemplateError when the template fails on this cell."""
        prompt = self.template.render(attributes)
        return self.contract.mend_prompt(prompt) if self.contract and self.kind == "completion" else prompt

    def build_body(self, prompt: str, repeat: int = 0) -> dict[str, Any]:
        """Return the request for one story. A seed is the first repeat's; each next one has the next, or all would be
        the same text."""
        body = {**self.parameters, **({"seed": self.seed + repeat} if self.seed is not None else {})}
        if self.kind == "chat":
            return {**body, "messages": [{"role": "user", "content": prompt}]}
        return {**body, "prompt": prompt}

    @property
    def seed(self) -> int | None:
        """The recipe's seed, if it is a number."""
        seed = self.parameters.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    def worst_case_usd(self, prompt: str) -> Decimal | None:
        """Return the most that a call can cost; None when that is unknown."""
        return worst_case_usd(self.quote, prompt, self.max_tokens)

    def bound_tokens(self, prompt: str) -> int:
        """Return about how many tokens a call uses at most, to begin with."""
        return bound_prompt_tokens(prompt) // 2 + (self.max_tokens or 0)


def prepare_run(order: WorkOrder, target: Target, contract: TemplateContract | None = None) -> Run:
    """Compile the template and look up the price; a tuned model's texts stop where its contract says, unless the recipe
    says otherwise. Raises: TemplateError when the recipe's template cannot be compiled."""
    kind: Kind = "chat" if order.format == "chat" else "completion"
    parameters = {name: value for name, value in order.parameters.items() if name not in NOT_FOR_ROWS}
    if contract and contract.stops and parameters.get("stop") is None:
        parameters["stop"] = contract.stops
    return Run(
        order=order,
        target=target,
        quote=find_price(target.provider, target.model),
        kind=kind,
        template=compile_template(order.template),
        parameters=parameters,
        max_tokens=find_max_tokens(kind, parameters),
        contract=contract,
    )
