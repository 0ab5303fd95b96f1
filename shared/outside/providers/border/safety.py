"""Whether an error answer says that a prompt, or what was written to it, was filtered: a code, or words. Several
providers say so with the status of a refused key or a wrong request, which would be everybody's."""

import re
from collections.abc import Mapping
from typing import Any, Final

STATUSES: Final = frozenset({200, 400, 403, 421, 422, 451})
SAFETY_CODES: Final = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "data_inspection_failed",
        "datainspectionfailed",
        "inputtextsensitivecontentdetected",
        "outputtextsensitivecontentdetected",
        "1301",
    }
)
"""Codes or types: OpenAI's and Azure's, Moonshot's (`content_filter`, a type), Alibaba's, Volcengine's, Zhipu's."""
SAFETY_WORDS: Final = re.compile(
    r"content violates (?:the |our )?usage guidelines|content exists risk|was flagged for"
    r"|may contain (?:inappropriate|sensitive) (?:content|information)|datainspectionfailed|considered high risk"
    r"|包含(?:不安全|敏感)",
    re.IGNORECASE,
)
"""xAI (403), DeepSeek (400), OpenRouter's moderation (403), Alibaba, Volcengine, Moonshot, Zhipu."""
READ_CHARACTERS: Final = 2_000


def speaks_of_safety(status: int, inner: Mapping[str, Any], message: str) -> bool:
    """Say whether a refusal is about what a prompt says: another prompt is taken."""
    if status not in STATUSES:
        return False
    names = (inner.get("code"), inner.get("type"))
    if any(isinstance(name, str | int) and str(name).lower() in SAFETY_CODES for name in names):
        return True
    return SAFETY_WORDS.search(message, 0, READ_CHARACTERS) is not None
