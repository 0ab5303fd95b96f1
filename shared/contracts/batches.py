"""What gateway and workers agree on about OpenAI's batches: which endpoints their lines may go to, and for how long."""

from typing import Final, Literal

COMPLETION_WINDOW: Final = "24h"
"""OpenAI's only one."""
WINDOW_HOURS: Final = 24
PURPOSE: Final = "batch"
"""Of the file that holds the requests."""
ENDPOINT_KINDS: Final[dict[str, Literal["chat", "completion"]]] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completion",
}
"""The endpoints, each with the provider's endpoint that answers it."""
