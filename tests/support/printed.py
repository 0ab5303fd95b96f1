"""What a client's script has printed."""

import json
from typing import Any


def read_last_object(printed: str) -> dict[str, Any]:
    """Return the JSON of a script's last line that is an object: these libraries print lines of their own."""
    objects = [line for line in printed.splitlines() if line.startswith("{")]
    said: dict[str, Any] = json.loads(objects[-1])
    return said
