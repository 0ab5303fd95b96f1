"""What clients of OpenAI ask for and no route serves: what to do instead."""

from typing import Final

INSTEAD: Final = {
    "/v1/embeddings": "This server writes texts and embeds none: send embeddings to your provider's own /embeddings.",
    "/v1/moderations": "This server judges no texts: send moderations to your provider's own /moderations.",
    "/v1/conversations": "Conversations are not kept here: POST /v1/responses with previous_response_id goes on.",
    "/v1/images": "This server writes texts only.",
    "/v1/audio": "This server writes texts only.",
}
SEE: Final = "See /docs for the routes there are."


def hint_at_url(path: str) -> str:
    """Return the end of the answer to a URL that nothing serves."""
    known = next((words for start, words in INSTEAD.items() if path == start or path.startswith(f"{start}/")), SEE)
    return f" {known}"
