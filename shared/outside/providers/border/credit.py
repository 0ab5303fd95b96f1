"""Whether an error answer says that the account is out of money: a status, a code, or words in any status."""

import re
from typing import Final

PAYMENT_REQUIRED: Final = 402
CREDIT_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_user_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "quota_exceeded_billing",
        "exceeded_current_quota_error",
        "arrearage",
        "payment_required",
    }
)
"""Codes or types: OpenAI's, Moonshot's (`exceeded_current_quota_error`), Alibaba's (`Arrearage`), One API's
(`insufficient_user_quota`)."""
CREDIT_WORDS: Final = re.compile(
    r"insufficient[ _-](?:account[ _-])?(?:balance|credits?|funds|quota)"
    r"|(?:balance|credits?) (?:is|are) (?:too low|insufficient|exhausted|not enough|negative)"
    r"|(?:not enough|out of|run out of|no more|no remaining|requires more) (?:credits?|funds|balance)"
    r"|account (?:is )?(?:in arrears|overdue)|overdue[- ]payment|payment required|please (?:recharge|top up)"
    r"|used all available credits|doesn't have any credits|(?:reached|reaching) (?:its|your|the) monthly spending limit"
    r"|reached your specified api usage limits|billing hard limit|余额不足|欠费",
    re.IGNORECASE,
)
"""Anthropic: `Your credit balance is too low` (400). DeepSeek: `Insufficient Balance` (402). SiliconFlow: `account
balance is insufficient` (403). OpenRouter: `requires more credits` (402). xAI: `used all
available credits or reached its monthly spending limit` (403, 429). Fireworks: `reaching the monthly spending limit`
(412). Never `exceeded your current quota` alone:
Gemini says it of a minute's limit, too."""
READ_CHARACTERS: Final = 2_000


def speaks_of_credit(status: int, code: object, kind: object, message: str, wait_seconds: float | None) -> bool:
    """Say whether the account has no credit left. Words count only where no wait is named: what a wait cures is a
    limit; and not in a failure of the server, which may quote anything."""
    if status == PAYMENT_REQUIRED:
        return True
    if status >= 500 and status != 529:
        return False
    if any(isinstance(name, str) and name.lower() in CREDIT_CODES for name in (code, kind)):
        return True
    return status >= 400 and wait_seconds is None and CREDIT_WORDS.search(message, 0, READ_CHARACTERS) is not None
