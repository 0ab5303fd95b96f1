"""One page of a list, as OpenAI shapes it."""

from collections.abc import Sequence
from typing import Any


def describe_page(found: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Build the page from up to `limit` + 1 objects: the one too many only says that there is more."""
    page = list(found[:limit])
    return {
        "object": "list",
        "data": page,
        "has_more": len(found) > limit,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
