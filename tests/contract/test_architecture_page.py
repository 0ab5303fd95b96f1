"""ARCHITECTURE.md is true where a machine can tell: its map says each thing once, and what it names is there."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from tests.support.stack import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
DEEPEST_INDENT = 4
"""Lines of the map that begin further in go on with the line before."""
FOLDERS = ("services", "shared", "storymill", "tests", "migrations", "benchmarks", "data")


def read_map() -> list[str]:
    """Return the lines of the map that name folders or files."""
    block = re.search(r"```\n(storymill/ .*?)```", PAGE, re.DOTALL)
    assert block is not None
    lines = block.group(1).splitlines()
    return [line for line in lines if len(line) - len(line.lstrip()) <= DEEPEST_INDENT]


def find_places() -> Iterator[tuple[Path, str]]:
    """Yield each place that the map lists, and what is said of it."""
    parents: dict[int, Path] = {-2: Path()}
    for line in read_map():
        indent = len(line) - len(line.lstrip())
        names, _, description = line.strip().partition("  ")
        for name in names.split():
            parents[indent] = parents[indent - 2] / name
            yield parents[indent], description


@cache
def list_product() -> frozenset[str]:
    """Return every file and folder of the product, as paths from the project's root."""
    found = (
        path for folder in FOLDERS for path in (PROJECT_ROOT / folder).rglob("*") if "__pycache__" not in path.parts
    )
    return frozenset(f"/{path.relative_to(PROJECT_ROOT)}" for path in found)


def spell_out(path: str) -> list[str]:
    """Return what a path with alternatives in braces stands for."""
    parts = [part[1:-1].split(",") if part.startswith("{") else [part] for part in re.split(r"(\{[^}]*\})", path)]
    return ["".join(chosen) for chosen in product(*parts)]


def find_named_paths() -> list[str]:
    """Return the paths in backticks: what ends in a slash or `.py`, outside the map."""
    return sorted({path for name in re.findall(r"`([\w./{},]+(?:/|\.py))`", PAGE) for path in spell_out(name)})


def test_the_map_says_each_thing_once() -> None:
    places = [path for path, _ in find_places()]
    assert len(places) > 30
    assert sorted({str(path) for path in places if places.count(path) > 1}) == []


@pytest.mark.parametrize(("place", "description"), list(find_places()), ids=str)
def test_what_the_map_lists_is_there(place: Path, description: str) -> None:
    assert (PROJECT_ROOT / place).exists()
    inside = [path for path in list_product() if path.startswith(f"/{place}/")]
    inner = re.findall(r"\b(\w+)/", description)
    assert [name for name in inner if not any(path.endswith(f"/{name}") for path in inside)] == []


def test_every_folder_of_a_room_is_on_the_map() -> None:
    mapped = {str(path) for path, _ in find_places()}
    told = {f"{path}/{name}" for path, description in find_places() for name in re.findall(r"\b(\w+)/", description)}
    for room in ("services", "services/workers", "shared"):
        folders = {str(path.parent.relative_to(PROJECT_ROOT)) for path in (PROJECT_ROOT / room).glob("*/__init__.py")}
        assert folders - mapped - told == set()


@pytest.mark.parametrize("path", find_named_paths())
def test_what_the_page_names_is_there(path: str) -> None:
    assert (PROJECT_ROOT / path).exists() or any(known.endswith(f"/{path.rstrip('/')}") for known in list_product())


def test_what_the_page_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert len(links) > 5
    assert [link for link in links if not (PROJECT_ROOT / link).exists()] == []
