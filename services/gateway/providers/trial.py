"""Try a provider out: three short texts, written by workers and on the caller's books as any other, and free look-ups
of what it lists, by workers too. Says what works, in words that the caller can act on."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from services.gateway.http.idempotency import KeyClaim
from services.gateway.interactive.extras import merge_extras
from services.gateway.interactive.follow import wait_for_ends
from services.gateway.interactive.texts import cancel_texts, open_texts, read_rows
from services.gateway.providers.service import read_facts, require_provider
from services.gateway.wiring import Gateway
from shared import ids
from shared.auth.principal import OPERATE, Principal
from shared.contracts.queue.messages import LookAtProvider
from shared.contracts.text_orders import limit_calls
from shared.errors import InvalidRequestError
from shared.http.answers import Json
from shared.outside.prices.inference import find_price
from shared.outside.prices.worst_case import bound_prompt_tokens
from shared.outside.providers.configuration import Provider, Target
from shared.outside.providers.dialects import Change
from shared.stores.db.models import Completion
from shared.stores.redis.provider_facts import ProviderFacts, fingerprint

MAX_TOKENS: Final = 32
MOST_CALLS: Final = 8
"""Whatever is sent to the provider counts: look-ups, texts, and a text once more in other words."""
ANSWER_SECONDS: Final = 80.0
LOOK_AGAIN_SECONDS: Final = 0.1
LOOKS: Final = 150
PROMPT: Final = "Say hello in one word."
WEATHER: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TEXTS: Final[Mapping[str, Json]] = {
    "text": {},
    "tools": {"tools": [WEATHER], "tool_choice": "required"},
    "logprobs": {"logprobs": True, "top_logprobs": 1},
}
"""What each text asks for beside its prompt. The first tells whether there is any use in the others."""
LISTS: Final = ("models", "files", "fine_tuning", "batch")
"""What a worker looks up, without cost."""


@dataclass(frozen=True, slots=True)
class FeatureCheck:
    """Whether one thing works; None when that was not found out."""

    name: str
    works: bool | None
    note: str | None = None

    def shape(self) -> Json:
        """Return it as clients see it."""
        return {"name": self.name, "works": self.works, "note": self.note}


async def plan_trial(gateway: Gateway, name: str, model: str | None) -> tuple[Target, Decimal | None]:
    """Return what is asked, and the most that it may cost; None when the model has no price.

    Raises: NotFoundError for a provider that is not configured, InvalidRequestError for a model that is not its own."""
    provider = require_provider(gateway, name)
    target = await choose_model(gateway, provider, model)
    cost = find_price(provider, target.model).cost(bound_prompt_tokens(PROMPT + str(WEATHER)), MAX_TOKENS)
    return target, None if cost is None else cost * len(TEXTS)


async def choose_model(gateway: Gateway, provider: Provider, model: str | None) -> Target:
    """Return the model to ask, the first that the provider lists unless one is named. Raises: InvalidRequestError
    when it lists none, or the named one is not its own."""
    if model is None:
        listed = (found.id for found in await gateway.catalog.list_models() if found.provider == provider.name)
        model = next(listed, None)
        if model is None:
            message = f"The provider '{provider.name}' lists no models: name one of its models."
            raise InvalidRequestError(message, param="model")
    target = await gateway.catalog.find_target(model)
    if target is None or target.provider.name != provider.name:
        raise InvalidRequestError(f"The model '{model}' is not one of '{provider.name}'.", param="model")
    return target


async def run_trial(gateway: Gateway, caller: Principal, target: Target) -> list[FeatureCheck]:
    """Return what works. When no text comes at all, no more are asked for."""
    before = len(await read_changes(gateway, target))
    findings = await look_at_lists(gateway, caller, target.provider)
    first = await write_text(gateway, caller, target, "text")
    findings += describe_first(first)
    if first is None or first.status != "succeeded":
        return findings + [FeatureCheck(name, None, "not tried: no text was written") for name in ("tools", "logprobs")]
    changes = await read_changes(gateway, target)
    findings.append(describe_streaming(changes))
    used = len(LISTS) + 1 + max(0, len(changes) - before)  # each change was learnt by a refusal
    for name in ("tools", "logprobs"):
        if used >= MOST_CALLS:
            findings.append(FeatureCheck(name, None, f"not tried: {MOST_CALLS} calls were made before"))
            continue
        findings.append(describe_extra(name, await write_text(gateway, caller, target, name)))
        used += 1
    return findings


async def read_changes(gateway: Gateway, target: Target) -> list[str]:
    """Return what is known of the words that the model understands."""
    dialects = (await read_facts(facts_of(gateway, target.provider)))["dialects"] or {}
    changes: list[str] = dialects.get(target.model, [])
    return changes


def facts_of(gateway: Gateway, provider: Provider) -> ProviderFacts:
    """Return what the workers know of a provider."""
    return ProviderFacts(gateway.redis, provider.name, fingerprint(provider.api_key))


async def look_at_lists(gateway: Gateway, caller: Principal, provider: Provider) -> list[FeatureCheck]:
    """Have a worker ask for the provider's lists, from where the calls are made. The provider's words are told to who
    operates the mill."""
    errand_id, facts = ids.new_id(ids.REQUEST), facts_of(gateway, provider)
    await gateway.sender.send(LookAtProvider(provider.name, errand_id))
    for _ in range(LOOKS):
        if (found := await facts.find_lists(errand_id)) is not None:
            return [describe_list(name, found.get(name), with_words=OPERATE in caller.scopes) for name in LISTS]
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    return [FeatureCheck(name, None, "no worker has looked in time") for name in LISTS]


def describe_list(name: str, failure: Json | None, *, with_words: bool) -> FeatureCheck:
    """Return whether a list was shown."""
    if failure is None:
        return FeatureCheck(name, True)
    status = f" ({failure['upstream_status']})" if failure["upstream_status"] else ""
    return FeatureCheck(name, False, failure["message"] if with_words else f"{failure['class']}{status}")


async def write_text(gateway: Gateway, caller: Principal, target: Target, name: str) -> Completion | None:
    """Have a worker write one text; None when it took too long, and was cancelled."""
    asked = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": MAX_TOKENS, **TEXTS[name]}
    body = {**asked, **limit_calls(1)}
    unclaimed = KeyClaim(gateway.database, caller.project_id, None)
    texts = await open_texts(gateway, caller, unclaimed, "chat", target.model, [body])
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await wait_for_ends(gateway.hub, texts.stream_ids)
    except TimeoutError:
        await cancel_texts(gateway, caller.project_id, texts.stream_ids)
        return None
    [row] = await read_rows(gateway, texts.request_id)
    return row


def describe_first(row: Completion | None) -> list[FeatureCheck]:
    """Return what a plain text shows: that there is one, and whether its tokens are counted."""
    if row is None or row.status != "succeeded":
        return [
            FeatureCheck("text", False, describe_failure(row)),
            FeatureCheck("usage", None, "not tried: no text was written"),
        ]
    has_usage = row.completion_tokens is not None
    note = None if has_usage else "no token is counted: calls are booked with their highest price"
    return [FeatureCheck("text", True), FeatureCheck("usage", has_usage, note)]


def describe_streaming(changes: list[str]) -> FeatureCheck:
    """Return whether texts come as they are written: every text is asked for so, and what is refused is learnt."""
    is_whole = Change.WHOLE.value in changes
    return FeatureCheck("streaming", not is_whole, "refused: whole answers are asked for" if is_whole else None)


def describe_extra(name: str, row: Completion | None) -> FeatureCheck:
    """Return whether what was asked for beside the text has come."""
    if row is None or row.status != "succeeded":
        return FeatureCheck(name, False, describe_failure(row))
    field = {"tools": "tool_calls", "logprobs": "logprobs"}[name]
    has_come = bool(merge_extras(row.extra).get(field))
    return FeatureCheck(name, has_come, None if has_come else "taken and left out of the answer")


def describe_failure(row: Completion | None) -> str:
    """Return why there is no text."""
    if row is None:
        return f"no answer within {ANSWER_SECONDS:.0f} s"
    error: dict[str, Any] = row.error or {}
    return str(error.get("message") or row.status)
