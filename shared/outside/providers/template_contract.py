"""The template contract of a tuned model, kept when it is asked: prompts end as they did in training, texts stop where
they ended. For the gateway (interactive texts) and the workers (stories); knows no model and no database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.result_requests import is_result
from shared.outside.providers.border.answers import Kind, ResultKind
from shared.texts.sentence_ends import CHINESE_SENTENCE_ENDS

SHORTEST_MARKER = 3


@dataclass(frozen=True, slots=True)
class TemplateContract:
    """What of a model's `template` matters when it is asked."""

    separator: str | None
    stop: str | None

    @property
    def stops(self) -> list[str]:
        """The stop as the rows have it, and a marker such as ` END` also without its blank: a model that has seen
        few rows writes one as well as the other."""
        if self.stop is None:
            return []
        marker = self.stop.strip()
        return [self.stop, marker] if marker != self.stop and len(marker) >= SHORTEST_MARKER else [self.stop]

    def mend_prompt(self, prompt: str) -> str:
        r"""Return the prompt with exactly the separator at its end, whatever of it is there, and whatever blanks
        follow. The article trains on ` ->` and asks with ` ->\n`."""
        if not self.separator or prompt.endswith(self.separator):
            return prompt
        mark, rest = self.separator.strip(), prompt.rstrip()
        if mark and rest.endswith(mark):
            rest = rest[: -len(mark)].rstrip()
        return rest + self.separator

    def describe_mending(self, prompt: str) -> str:
        """Return what was done to a prompt, in printable ASCII: it goes into a header."""
        assert self.separator is not None
        ending = prompt[-len(self.separator) - 1 :]
        return (
            f"the prompt ended in {json.dumps(ending)}; this model was trained on prompts that end in "
            f"{json.dumps(self.separator)}, so the prompt was changed to end so"
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that keeps the contract, and what had to be changed in its prompt for that."""

    body: dict[str, Any]
    warning: str | None


def read_contract(template: Mapping[str, Any] | None) -> TemplateContract | None:
    """Return the contract of a model's template; None where nothing is to be kept (no template, or chat: the provider
    brings its own separators and stops)."""
    if not template or template.get("format") != "completion":
        return None
    contract = TemplateContract(template.get("separator") or None, read_stop(template))
    return contract if contract.separator or contract.stop else None


def read_stop(template: Mapping[str, Any]) -> str | None:
    """Return the contract's stop, unless it is how every sentence ends: a text would stop at its first one. The model
    has learned where a text ends without it. Preparation adds no such stop: rows end in one because sentences do."""
    stop = template.get("stop") or None
    return None if stop is not None and CHINESE_SENTENCE_ENDS.issuperset(stop) else stop


def keep_contract(contract: TemplateContract | None, kind: Kind | ResultKind, body: dict[str, Any]) -> Kept:
    """Return a request for one text with its prompt mended and the contract's stop added, if it names none. Requests
    that have a text scored (`echo`, no tokens wanted), prompts of token ids and chats are not touched, but for the
    stop; those that bring no text not at all."""
    if contract is None or is_result(kind) or is_scoring(body):
        return Kept(body, None)
    kept = dict(body)
    if contract.stops and body.get("stop") is None:
        kept["stop"] = contract.stops
    prompt = body.get("prompt")
    if kind != "completion" or not isinstance(prompt, str):
        return Kept(kept, None)
    kept["prompt"] = contract.mend_prompt(prompt)
    warning = None if kept["prompt"] == prompt else contract.describe_mending(prompt)
    return Kept(kept, warning)


def is_scoring(body: Mapping[str, Any]) -> bool:
    """Say whether a request wants to know how likely its own text is, rather than a new one."""
    return bool(body.get("echo")) or body.get("max_tokens") == 0
