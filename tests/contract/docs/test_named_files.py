"""Files and folders that the pages about the code name are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import PROJECT_ROOT

ROOMS = ("services", "shared", "storymill", "tests", "benchmarks", "migrations", "docs")
NAMED = re.compile(r"`([\w/{},]+(?:\.py|/))`")
TEMPLATE = re.compile(r"000N_|<\w+>")
"""What a playbook's reader is to fill in."""


def list_places() -> list[str]:
    """Return every file of ours, and every folder with a line at its end, from the project's root."""
    found = [path for room in ROOMS for path in (PROJECT_ROOT / room).rglob("*") if "__pycache__" not in path.parts]
    places = [*found, *(PROJECT_ROOT / room for room in ROOMS)]
    return [f"/{path.relative_to(PROJECT_ROOT)}{'/' if path.is_dir() else ''}" for path in places]


def spell_out(named: str) -> Iterator[str]:
    """Yield each of the names that braces stand for."""
    braces = re.search(r"\{([^}]*)\}", named)
    if braces is None:
        yield named
        return
    for choice in braces[1].split(","):
        yield from spell_out(named[: braces.start()] + choice + named[braces.end() :])


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    places = list_places()
    named = NAMED.findall((PROJECT_ROOT / Path(page)).read_text(encoding="utf-8"))
    spelled = {name for text in named if not TEMPLATE.search(text) for name in spell_out(text)}
    assert sorted(name for name in spelled if not any(place.endswith(f"/{name}") for place in places)) == []
