"""What a process gets of our environment: secrets only where it needs them."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LOOKS_SECRET: Final = re.compile(
    r"(^|_)(API_?KEYS?|KEYS?|TOKENS?|SECRETS?|CREDENTIALS?|AUTH|DSN)(_|$)|PASSW(OR)?D|PASSPHRASE"
    r"|(DATABASE|REDIS|BROKER)_URL(_FILE)?$|_PROXY$",
    re.IGNORECASE,
)
"""Also the proxies', whose addresses may hold a password."""
PROVIDERS_FILE: Final = "STORYMILL_PROVIDERS_FILE"


def build_child_environment(given: Mapping[str, str], *, keeps_secrets: bool) -> dict[str, str]:
    """Return the environment of a process: ours, without what looks like a secret unless it keeps those, and what is
    `given` to it."""
    ours = dict(os.environ)
    if not keeps_secrets:
        keys = find_key_variables(ours.get(PROVIDERS_FILE))
        ours = {name: value for name, value in ours.items() if not (LOOKS_SECRET.search(name) or name in keys)}
    return {**ours, **given}


def find_key_variables(providers_file: str | None) -> frozenset[str]:
    """Return the variables that hold providers' keys, by whatever name. What is wrong with the file is told by those
    who need it."""
    try:
        providers = tomllib.loads(Path(providers_file or "").read_text(encoding="utf-8")).get("providers", {})
        return frozenset(str(entry["api_key_variable"]) for entry in providers.values() if "api_key_variable" in entry)
    except (OSError, ValueError, AttributeError, TypeError):
        return frozenset()
