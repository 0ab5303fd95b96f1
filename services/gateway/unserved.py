"""What clients of OpenAI ask for and no route serves: what to do instead."""

from typing import Final

INSTEAD: Final = {
    "/v1/conversations": "Conversations are not kept here: POST /v1/responses with previous_response_id goes on.",
    "/v1/images": "This server writes texts only.",
    "/v1/audio": "This server writes texts only.",
}
SEE: Final = "See /docs for the routes there are."
BELOW_BASE: Final = (
    "chat",
    "completions",
    "responses",
    "embeddings",
    "moderations",
    "models",
    "files",
    "batches",
    "fine_tuning",
    "uploads",
)
"""How the paths begin that clients ask for below their base URL."""


def hint_at_url(path: str) -> str:
    """Return the end of the answer to a URL that nothing serves."""
    if path.removeprefix("/").partition("/")[0] in BELOW_BASE:
        return f" The base URL ends in /v1: {path} is /v1{path}."
    known = next((words for start, words in INSTEAD.items() if path == start or path.startswith(f"{start}/")), SEE)
    return f" {known}"
