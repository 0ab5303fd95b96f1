"""How a call stands in a text: Hermes' layout, which the templates of Qwen and many others ask for too."""

from typing import Final

BEGIN: Final = "<tool_call>"
BEFORE_NAME: Final = '\n{"name": "'
BEFORE_ARGUMENTS: Final = '", "arguments": '
END: Final = "}\n</tool_call>"
BETWEEN: Final = "\n"
RESULT: Final = "<tool_response>\n{}\n</tool_response>"


def spell_call(name: str, arguments: str) -> str:
    """Return a call as the model writes it; `arguments` are JSON."""
    return f"{BEGIN}{BEFORE_NAME}{name}{BEFORE_ARGUMENTS}{arguments}{END}"


def is_spoken_by(template: str) -> bool:
    """Say whether a chat template tells functions and asks for calls in this layout."""
    return "tools" in template and BEGIN in template and "arguments" in template and "<function=" not in template
