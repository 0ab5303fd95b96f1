"""A call that somebody waits for asks here before it leaves: it goes, waits a little, or fails at once, free of charge,
because of how its provider stands. Calls of volume runs wait for hours instead, and go their own way."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from services.workers.providers.model_health import ModelHealth
from services.workers.providers.verdict import Verdict
from shared.outside.providers.failures import FailureClass, LlmError

LOOK_AGAIN_SECONDS: Final = 0.25
LONGEST_WAITED_SILENCE_SECONDS: Final = 10.0
"""A minute's limit is waited for at most so long; whoever waits for a text is told about a longer one."""
ASK_AGAIN_SECONDS: Final = 5.0
"""An account that had no credit, or a refused key, is tried by one call now and then: somebody may have paid."""
RETRY_A_DOWN_PROVIDER_SECONDS: Final = 5.0

StoppableWait = Callable[[float], Awaitable[bool]]
"""Waits; False when nobody wants the call any more."""


async def wait_for_turn(
    health: ModelHealth, grace_seconds: float, give_up_at: float, pause: StoppableWait
) -> LlmError | None:
    """Return when a call may leave, or nobody wants it any more; else the failure that stands for it.

    A provider that went down less than `grace_seconds` ago is taken to restart, and waited for, until `give_up_at`
    (`time.monotonic()`)."""
    while True:
        answer = await _ask(health, grace_seconds, give_up_at)
        if answer is not None:
            return answer if isinstance(answer, LlmError) else None
        if not await pause(LOOK_AGAIN_SECONDS):
            return None


async def _ask(health: ModelHealth, grace_seconds: float, give_up_at: float) -> LlmError | Literal[True] | None:
    """Return True to go, None to wait, or why not."""
    standing = health.standing
    match standing.verdict:
        case Verdict.WELL:
            return True
        case Verdict.SILENT:
            seconds = standing.waits_seconds(time.time())
            is_long = seconds > LONGEST_WAITED_SILENCE_SECONDS or time.monotonic() + seconds > give_up_at
            return True if seconds == 0 else refuse_silent(health, seconds) if is_long else None
        case Verdict.DOWN:
            if await health.try_probe():
                return True
            is_over = time.time() - standing.since > grace_seconds or time.monotonic() > give_up_at
            return refuse_down(health) if is_over else None
        case _:
            return True if health.try_again(ASK_AGAIN_SECONDS) else refuse_account(health)


def refuse_silent(health: ModelHealth, seconds: float) -> LlmError:
    """Return the failure of a call to a provider that asked to be left alone."""
    message = f"the provider {health.provider.name!r} takes no calls for another {seconds:.0f} s"
    return LlmError(FailureClass.RATE_LIMITED, message, code="provider_silent", retry_after_seconds=seconds)


def refuse_down(health: ModelHealth) -> LlmError:
    """Return the failure of a call to a provider that is down."""
    message = f"the provider {health.provider.name!r} is down"
    seconds = RETRY_A_DOWN_PROVIDER_SECONDS
    return LlmError(FailureClass.RATE_LIMITED, message, code="provider_down", retry_after_seconds=seconds)


def refuse_account(health: ModelHealth) -> LlmError:
    """Return the failure of a call that no account would pay for. Never the provider's words: another was told them."""
    name = health.provider.name
    if health.standing.verdict is Verdict.NO_CREDIT:
        return LlmError(FailureClass.QUOTA_EXHAUSTED, f"the provider {name!r} has no credit for this mill")
    return LlmError(FailureClass.AUTHENTICATION, f"the provider {name!r} refuses this mill's key")
