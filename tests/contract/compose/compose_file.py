"""Read docker-compose.yml and the Dockerfile as Docker would, as far as the tests need it."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.stack import PROJECT_ROOT

STORES = {"postgres", "redis"}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}")
DURATION = re.compile(r"(\d+)(s|m|h)")
SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_compose() -> dict[str, Any]:
    """Return the compose file with its variables at their defaults."""
    text = (PROJECT_ROOT / "docker-compose.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda found: found["default"] or "", text))
    return loaded


def read_app_services() -> dict[str, dict[str, Any]]:
    """Return the services that run our code."""
    return {name: service for name, service in read_compose()["services"].items() if name not in STORES}


def parse_seconds(duration: str) -> int:
    """Turn `1m30s` into seconds."""
    return sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(duration))


@dataclass(frozen=True)
class Stage:
    """One target of the Dockerfile, with what it inherits."""

    user: str | None
    extras: tuple[str, ...]
    folders: tuple[str, ...]


def read_stages() -> dict[str, Stage]:
    """Return the Dockerfile's stages by name."""
    stages: dict[str, Stage] = {}
    text = (PROJECT_ROOT / "Dockerfile").read_text()
    for block in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        parent, name = re.match(r"(\S+) AS (\S+)", block).groups()  # type: ignore[union-attr]
        inherited = stages.get(parent, Stage(None, (), ()))
        users = re.findall(r"^USER (\S+)", block, flags=re.MULTILINE)
        stages[name] = Stage(
            user=users[-1] if users else inherited.user,
            extras=(*inherited.extras, *re.findall(r"'\.\[(\w+)\]'", block)),
            folders=(*inherited.folders, *re.findall(r"(/data/\w+)", block)),
        )
    return stages
