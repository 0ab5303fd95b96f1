"""A model as the judge of two texts: what it is asked, and how its answer is read. Knows no comparison."""

import re
from typing import Any, Final

from shared.outside.providers.border.answers import Kind

QUESTION: Final = """Two texts were written for the same task. Say which of them is better: which one fits the task, \
tells a coherent story, and is written well. Length alone is no merit. The order in which they are shown means nothing.

Task:
{task}

Text A:
{first}

Text B:
{second}

Answer with one word: A, B, or TIE.
Answer:"""
ANSWER_TOKENS: Final = 16
ANSWER: Final = re.compile(r"\b(A|B|TIE)\b", re.IGNORECASE)


def ask_judge(kind: Kind, task: str, first: str, second: str) -> dict[str, Any]:
    """Return the request to the judge."""
    question = QUESTION.format(task=task, first=first, second=second)
    sampling = {"max_tokens": ANSWER_TOKENS, "temperature": 0}
    if kind == "chat":
        return {"messages": [{"role": "user", "content": question}], **sampling}
    return {"prompt": question, **sampling}


def read_vote(answer: str, *, model_is_first: bool) -> str:
    """Return `model`, `against` or `tie`; an answer that names neither text is a tie."""
    found = ANSWER.search(answer)
    word = found.group(1).upper() if found else "TIE"
    if word == "TIE":
        return "tie"
    return "model" if (word == "A") == model_is_first else "against"
