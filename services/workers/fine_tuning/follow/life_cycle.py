"""What a provider tells of a job's life that our own events tell too: kept, and shown to who asks for it."""

import re
from typing import Final

from services.workers.fine_tuning.upstream.provider import UpstreamEvent, UpstreamJob

LIFE_CYCLE: Final = re.compile(
    r"creat(?:ed|ing) (?:a )?fine-?tun|validat|\b(?:en)?queued?\b|fine-tune costs"
    r"|(?:fine-?tun\w+|job)(?: job)?(?: has| is)?(?: been)?(?: successfully)? "
    r"(?:start|succe|complet|finish|cancel|creat)"
    r"|new fine-?tuned model|uploaded (?:model|result)|result files?\b",
    re.IGNORECASE,
)
"""As OpenAI, Azure, Together, Nebius, Fireworks and our engine spell it."""


def repeats_ours(event: UpstreamEvent, job: UpstreamJob) -> bool:
    """Say whether an event tells a step of which our own story has an event, with ids that are good here: also the
    error that a job failed of, which are our last words. Warnings, other errors, metrics, epochs and checkpoints are
    the provider's alone."""
    if job.status == "failed" and event.message == (job.error or {}).get("message"):
        return True
    return event.type == "message" and event.level == "info" and LIFE_CYCLE.search(event.message) is not None
