"""A run as one worker sees it: what to ask of whom, at what price. Built once per slice; knows no database.

The rows of a recipe's run are cells, which its template makes into prompts; those of a batch's run are whole requests,
each with its own parameters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final

import orjson

from services.workers.generation.story_rules import StoryRules, read_rules
from shared.contracts.batches import ENDPOINT_KINDS
from shared.contracts.recipes.prompts import RowPrompts, read_prompts
from shared.outside.prices.inference import PriceQuote, find_price
from shared.outside.prices.worst_case import bound_prompt_tokens, find_max_tokens, worst_case_usd
from shared.outside.providers.border.answers import Kind, LlmAnswer
from shared.outside.providers.border.fields import spell_field
from shared.outside.providers.configuration import Target
from shared.outside.providers.failures import LONGEST_MESSAGE_CHARACTERS, FailureClass, LlmError
from shared.outside.providers.template_contract import TemplateContract, keep_contract
from shared.stores.db.repositories.batch_lines import MAX_TOKENS, REQUEST
from shared.stores.db.repositories.generation_progress import WorkOrder
from shared.texts.json_schemas.beside import SchemaBeside

NOT_FOR_ROWS: Final = frozenset({"n", "best_of", "stream", "stream_options", "model", "prompt", "messages"})
"""Request fields that a row decides by itself: one text, whole, from its own prompt."""
TOKEN_LIMITS: Final = frozenset({"max_tokens", "max_completion_tokens"})
NOT_FOR_LINES: Final = frozenset({"n", "best_of", "stream", "stream_options", "model", "timeout"})
"""Request fields that we carry out ourselves."""


@dataclass(frozen=True, slots=True)
class Run(ABC):
    """What every call of a run has in common."""

    order: WorkOrder
    target: Target
    quote: PriceQuote
    kind: Kind
    contract: TemplateContract | None = field(default=None, kw_only=True)
    """What the prompts of a tuned model must end in."""

    rows_are_alike: ClassVar[bool] = True
    """Whether a request that is refused is refused for what all rows have in common."""

    @property
    def tries(self) -> int:
        """How many texts may be asked for a row, as its rules do not take the first."""
        return 1

    @property
    def takes_no_text_twice(self) -> bool:
        """Whether no two rows may have the same text."""
        return False

    @property
    def takes_no_near_text(self) -> bool:
        """Whether no row may have nearly the text of another."""
        return False

    @property
    def raised_max_tokens(self) -> int | None:
        """How many tokens a text may have that was cut, once; None where it is taken as it is."""
        return None

    @abstractmethod
    def render_prompt(self, attributes: Mapping[str, Any], repeat: int = 0) -> str:
        """Return what a row asks with. Raises: TemplateError when the template fails on this cell."""

    @abstractmethod
    def build_body(self, prompt: str, repeat: int = 0, *, was_cut: bool = False) -> dict[str, Any]:
        """Return the request for one row. `was_cut`: an earlier text of it was."""

    @abstractmethod
    def worst_case_usd(self, prompt: str, attributes: Mapping[str, Any], *, was_cut: bool = False) -> Decimal | None:
        """Return the most that a call can cost; None when that is unknown."""

    @abstractmethod
    def bound_tokens(self, prompt: str) -> int:
        """Return about how many tokens a call uses at most, to begin with."""

    @abstractmethod
    def find_fault(self, answer: LlmAnswer, *, was_cut: bool = False) -> LlmError | None:
        """Return why an answer is not what was asked for."""

    async def examine(self, answer: LlmAnswer, *, was_cut: bool = False) -> LlmError | None:
        """Return why an answer is not what was asked for; as `find_fault`, with what takes longer."""
        return self.find_fault(answer, was_cut=was_cut)

    async def close(self) -> None:  # noqa: B027  most runs have begun nothing
        """End what the run had begun beside this process."""

    @abstractmethod
    def count_draw(self, repeat: int, attempt: int) -> int:
        """Return which draw of its cell a call is: draws of one seed that count alike would be the same text.
        `attempt`: the row's last claim."""

    @abstractmethod
    def keep(self, answer: LlmAnswer | None, error: LlmError | None) -> dict[str, Any] | None:
        """Return what a row keeps of an outcome beside its columns."""


@dataclass(frozen=True, slots=True)
class RecipeRun(Run):
    """A run whose rows are cells of a grid."""

    prompts: RowPrompts
    parameters: Mapping[str, Any]
    max_tokens: int | None = field(default=None)
    rules: StoryRules | None = None
    schema: SchemaBeside | None = None
    """Holds the texts to the schema of the rules."""

    @property
    def tries(self) -> int:
        """As the recipe's rules say; without rules any text is taken."""
        return self.rules.tries if self.rules else 1

    @property
    def takes_no_text_twice(self) -> bool:
        """Whether the recipe's rules want all texts to differ."""
        return self.rules is not None and self.rules.distinct

    @property
    def takes_no_near_text(self) -> bool:
        """Whether the recipe's rules want no text to be nearly another."""
        return self.rules is not None and self.rules.near_distinct

    @property
    def raised_max_tokens(self) -> int | None:
        """As the recipe's rules say, while that is more than its texts have anyway."""
        raised = self.rules.raise_max_tokens if self.rules else None
        return raised if raised and self.max_tokens is not None and raised > self.max_tokens else None

    def find_max_tokens(self, *, was_cut: bool) -> int | None:
        """Return how many tokens a text may have."""
        return (self.raised_max_tokens if was_cut else None) or self.max_tokens

    def render_prompt(self, attributes: Mapping[str, Any], repeat: int = 0) -> str:
        """Render the template, with the ending that a tuned model knows."""
        prompt = self.prompts.render(attributes, repeat)
        return self.contract.mend_prompt(prompt) if self.contract and self.kind == "completion" else prompt

    def build_body(self, prompt: str, repeat: int = 0, *, was_cut: bool = False) -> dict[str, Any]:
        """Put the prompt beside the parameters. A seed is the first repeat's; each next one has the next, or all would
        be the same text."""
        body = {**self.parameters, **({"seed": self.seed + repeat} if self.seed is not None else {})}
        if was_cut and self.raised_max_tokens is not None:
            body |= dict.fromkeys(TOKEN_LIMITS & body.keys() or {"max_tokens"}, self.raised_max_tokens)
        if self.kind == "chat":
            return {**body, "messages": [{"role": "user", "content": prompt}]}
        return {**body, "prompt": prompt}

    @property
    def seed(self) -> int | None:
        """The recipe's seed, if it is a number."""
        seed = self.parameters.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    def worst_case_usd(self, prompt: str, attributes: Mapping[str, Any], *, was_cut: bool = False) -> Decimal | None:
        """Take every byte for a token, and `max_tokens` for granted."""
        return worst_case_usd(self.quote, prompt, self.find_max_tokens(was_cut=was_cut))

    def bound_tokens(self, prompt: str) -> int:
        """Take two bytes for a token."""
        return bound_prompt_tokens(prompt) // 2 + (self.max_tokens or 0)

    def find_fault(self, answer: LlmAnswer, *, was_cut: bool = False) -> LlmError | None:
        """Look whether there is a story in it, a whole one if it may yet be longer, then whether that keeps the
        rules."""
        if self.raised_max_tokens is not None and not was_cut and answer.failure_class() is FailureClass.TRUNCATED:
            longer = f"cut at {self.max_tokens} tokens; asked for once more with {self.raised_max_tokens}"
            return LlmError(FailureClass.TRUNCATED, longer, request_id=answer.request_id)
        fault = find_fault(answer)
        breach = self.rules.find_breach(answer.text, answer.finish_reason) if self.rules and fault is None else None
        return fault if breach is None else break_rule(breach, answer)

    async def examine(self, answer: LlmAnswer, *, was_cut: bool = False) -> LlmError | None:
        """Hold a text that keeps the other rules to the schema."""
        fault = self.find_fault(answer, was_cut=was_cut)
        breach = await self.schema.find_breach(answer.text) if self.schema and fault is None else None
        return fault if breach is None else break_rule(breach, answer)

    async def close(self) -> None:
        """End the process that holds texts to the schema."""
        if self.schema is not None:
            await self.schema.close()

    def count_draw(self, repeat: int, attempt: int) -> int:
        """Where texts may be rejected each try is a draw of its own, beyond those of all repeats."""
        return repeat + self.order.repeats * attempt if self.rules else repeat

    def keep(self, answer: LlmAnswer | None, error: LlmError | None) -> dict[str, Any] | None:
        """Keep nothing: a story is its text."""
        return None


@dataclass(frozen=True, slots=True)
class BatchRun(Run):
    """A run whose rows are the requests of a batch; what goes for a row's prompt is its request as JSON text."""

    rows_are_alike: ClassVar[bool] = False

    def render_prompt(self, attributes: Mapping[str, Any], repeat: int = 0) -> str:
        """Take the request as it came."""
        return str(attributes[REQUEST])

    def build_body(self, prompt: str, repeat: int = 0, *, was_cut: bool = False) -> dict[str, Any]:
        """Read the request, with the ending that a tuned model knows."""
        given = orjson.loads(prompt)
        body = {name: value for name, value in given.items() if value is not None and name not in NOT_FOR_LINES}
        return keep_contract(self.contract, self.kind, body).body

    def worst_case_usd(self, prompt: str, attributes: Mapping[str, Any], *, was_cut: bool = False) -> Decimal | None:
        """Take every byte of the request for a token: that is more than its prompt has."""
        if MAX_TOKENS in attributes:
            return worst_case_usd(self.quote, prompt, attributes[MAX_TOKENS])
        return worst_case_usd(self.quote, prompt, find_max_tokens(self.kind, orjson.loads(prompt)))

    def bound_tokens(self, prompt: str) -> int:
        """Take two bytes for a token; each request has its own `max_tokens`."""
        return bound_prompt_tokens(prompt) // 2

    def find_fault(self, answer: LlmAnswer, *, was_cut: bool = False) -> LlmError | None:
        """Take every whole answer: tool calls, refusals and empty texts are answers, too."""
        return answer.broken

    def count_draw(self, repeat: int, attempt: int) -> int:
        """Leave the request's own seed as it is."""
        return repeat

    def keep(self, answer: LlmAnswer | None, error: LlmError | None) -> dict[str, Any] | None:
        """Keep what the line of the output or error file needs."""
        if error is not None:
            return {"request_id": error.request_id, "error": error.client_error()}
        if answer is None:
            return None
        return {"request_id": answer.request_id, "beside": answer.extra, "cached_tokens": answer.cached_tokens}


def prepare_run(order: WorkOrder, target: Target, contract: TemplateContract | None = None) -> Run:
    """Look up the price and, for a recipe, compile the template; a tuned model's texts stop where its contract says,
    unless the recipe says otherwise. Raises: TemplateError when the recipe's template cannot be compiled."""
    quote = find_price(target.provider, target.model)
    if order.batch_endpoint is not None:
        return BatchRun(order, target, quote, ENDPOINT_KINDS[order.batch_endpoint], contract=contract)
    kind: Kind = "chat" if order.format == "chat" else "completion"
    parameters = {name: value for name, value in order.parameters.items() if name not in NOT_FOR_ROWS}
    if contract and contract.stops and parameters.get("stop") is None:
        parameters["stop"] = contract.stops
    prompts, max_tokens = read_prompts(order.template, order.pools), find_max_tokens(kind, parameters)
    rules = read_rules(order.rules)
    schema = SchemaBeside(rules.json_schema) if rules and rules.json_schema else None
    return RecipeRun(order, target, quote, kind, prompts, parameters, max_tokens, rules, schema, contract=contract)


def break_rule(breach: str, answer: LlmAnswer) -> LlmError:
    """Return the failure of an answer whose text breaks a rule."""
    return LlmError(FailureClass.RULE_BROKEN, breach, request_id=answer.request_id)


def find_fault(answer: LlmAnswer) -> LlmError | None:
    """Return why an answer is no story. One that was cut at `max_tokens` is: the limit is the client's own, and
    `finish_reason` says so on the row."""
    if answer.broken is not None:
        return answer.broken
    failure_class = answer.failure_class()
    if failure_class is None or (failure_class is FailureClass.TRUNCATED and answer.text.strip()):
        return None
    message = f"the provider's answer has no story: {failure_class.value.replace('_', ' ')}"
    refusal = spell_field(answer.extra or {}, "refusal", LONGEST_MESSAGE_CHARACTERS)
    return LlmError(failure_class, f"{message}: {refusal}" if refusal else message, request_id=answer.request_id)
