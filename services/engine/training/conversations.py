"""Finds what each learned turn of a conversation reads and writes, as serving would ask for that very turn.

The rule for thoughts: a turn is learned as its row says it. What the template adds by itself, an empty thought, is not
learned; where the prompt already opens a thought, the turn closes it at once unless the row brings thoughts of its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError

from services.engine.model.prompts import PromptEncoder
from services.engine.training.examples import Turn

OPEN, CLOSE = "<think>", "</think>"
EMPTY_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")


class TemplateRefusalError(Exception):
    """The chat template cannot render the turns, or not so that a turn could be told from its prompt."""


@dataclass(frozen=True)
class TurnTexts:
    """A learned turn: the prompt that asks for it, what is to be written, and what ends the turn."""

    prompt: str
    answer: str
    ending: str


def split_turns(turns: Sequence[Turn], encoder: PromptEncoder) -> list[TurnTexts]:
    """Return the learned turns in order.

    Raises: TemplateRefusalError when the template refuses the turns, or writes one otherwise than its prompt asks.
    """
    messages = [{"role": serve_role(turn.role), "content": turn.content} for turn in turns]
    found = []
    for place, turn in enumerate(turns):
        if turn.learned:
            before = _render(encoder, messages[:place], answer_follows=True)
            after = _render(encoder, messages[: place + 1], answer_follows=False)
            found.append(_split_turn(before, after, turn.content))
    return found


def serve_role(role: str) -> str:
    """Return the role that serving passes to the template for it."""
    return "system" if role == "developer" else role


def _render(encoder: PromptEncoder, messages: list[dict[str, str]], *, answer_follows: bool) -> str:
    try:
        return encoder.render_chat(messages, answer_follows)
    except (ValueError, TypeError, TemplateError) as error:
        raise TemplateRefusalError(f"the model's chat template refuses these turns: {error}") from error


def _split_turn(before: str, after: str, content: str) -> TurnTexts:
    if not after.startswith(before) and before.rstrip().endswith(OPEN):
        return _split_opened_thought(before, after, content)
    if not after.startswith(before):
        raise TemplateRefusalError("the model's chat template writes this turn otherwise than its prompt asks for it")
    rest = after[len(before) :]
    lead, shown, ending = _cut_around(rest, content)
    return TurnTexts(before, shown if EMPTY_THOUGHT.fullmatch(lead) else lead + shown, ending)


def _split_opened_thought(before: str, after: str, content: str) -> TurnTexts:
    """The prompt ends inside a thought, and the template leaves thoughts out of what was said before."""
    asked = before[: before.rstrip().rindex(OPEN)]
    thoughts, closed, answer = content.rpartition(CLOSE)
    if not after.startswith(asked):
        raise TemplateRefusalError("the model's chat template writes this turn otherwise than its prompt asks for it")
    _, _, ending = _cut_around(after[len(asked) :], answer)
    if closed:
        own = thoughts.strip().removeprefix(OPEN).strip("\n")
        return TurnTexts(before, f"{own}\n{CLOSE}{answer}", ending)
    return TurnTexts(before, f"\n{CLOSE}\n\n{answer}", ending)


def _cut_around(rest: str, content: str) -> tuple[str, str, str]:
    """Return what the template wrote before the content, the content, and what it wrote after it."""
    for wanted in (content, content.strip()):
        place = rest.find(wanted)
        if wanted and place >= 0:
            return rest[:place], wanted, rest[place + len(wanted) :]
    answer = content.rpartition(CLOSE)[2].strip()
    place = rest.rfind(answer)
    if CLOSE in content and answer and place >= 0:  # thoughts, written in the template's own way
        return "", rest[: place + len(answer)], rest[place + len(answer) :]
    raise TemplateRefusalError("the model's chat template does not write this turn's text")
