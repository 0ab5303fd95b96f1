"""Turns chat messages into a prompt: the model's own template, or a plain one where it has none."""

from collections.abc import Callable
from typing import Any

# Newlines stand in expressions: the template engine drops one after a block tag.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if not loop.first %}{{ '\n\n' }}{% endif %}"
    "{% if message.role == 'assistant' %}Assistant: {{ message.content }}"
    "{% elif message.role == 'user' %}User: {{ message.content }}"
    "{% else %}{{ message.content }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\n\n' }}Assistant:{% endif %}"
)
PLAIN_STOP = "\n\nUser:"
"""Where a model without a template of its own would begin to write the user's next message."""

ChatRenderer = Callable[..., str]


def build_chat_renderer(tokenizer: Any) -> ChatRenderer:
    """Return `render(messages, answer_follows, tools)`; with `answer_follows` the text ends where the answer begins.
    Functions are for templates that know them.

    The model's own template writes its own beginning-of-text token, if it wants one: tokenise its text as it is.
    """
    template = tokenizer.chat_template or PLAIN_TEMPLATE

    def render(messages: list[dict[str, Any]], answer_follows: bool, tools: list[dict[str, Any]] | None = None) -> str:
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=answer_follows
        )
        return text

    return render
