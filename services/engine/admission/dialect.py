"""What a chat template can say: found by rendering small conversations with it."""

from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from services.engine.model.chat import PLAIN_TEMPLATE

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up_weather",
        "description": "Look it up.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
OPENED = "<think>"
QUESTION = {"role": "user", "content": "question-7"}


@dataclass(frozen=True)
class Dialect:
    """`thinking`: none; opened (the prompt ends inside a thought); written (the model opens it); or optional."""

    own_template: bool
    system_role: bool
    several_turns: bool
    tools: bool
    thinking: str


def read_dialect(tokenizer: Any) -> Dialect:
    """Ask the template (the plain one where the model has none) what it takes."""
    system = _render(tokenizer, [{"role": "system", "content": "system-3"}, QUESTION])
    turns = _render(tokenizer, [QUESTION, {"role": "assistant", "content": "answer-5"}, QUESTION])
    tools = _render(tokenizer, [QUESTION], tools=[TOOL])
    return Dialect(
        own_template=tokenizer.chat_template is not None,
        system_role=system is not None and "system-3" in system,
        several_turns=turns is not None and "answer-5" in turns,
        tools=tools is not None and "look_up_weather" in tools,
        thinking=_find_thinking(tokenizer),
    )


def _find_thinking(tokenizer: Any) -> str:
    usual = _render(tokenizer, [QUESTION]) or ""
    if usual.rstrip().endswith(OPENED):
        return "opened"
    without = _render(tokenizer, [QUESTION], enable_thinking=False)
    if without is not None and without != usual:
        return "optional"
    template = tokenizer.chat_template
    return "written" if isinstance(template, str) and OPENED in template else "none"


def _render(tokenizer: Any, messages: list[dict[str, str]], **extras: Any) -> str | None:
    template = tokenizer.chat_template or PLAIN_TEMPLATE
    try:
        text: str = tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True, **extras
        )
    except (TemplateError, TypeError, ValueError, KeyError):
        return None
    return text
