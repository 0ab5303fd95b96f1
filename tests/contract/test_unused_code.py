"""What the product defines the product uses: code that only tests call is none of it, and misleads who reads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.source_files import PRODUCT, Function, parse_folders

USERS = (*PRODUCT, "migrations", "benchmarks")
CALLED_BY_OTHERS = {
    "get_seq_length": "transformers asks its caches",
    "read_strings": "openpyxl calls it on its reader",
    "get_credentials_async": "redis-py asks its providers of credentials",
    "send_400_response": "uvicorn calls it on its connections",
    "get_field_value": "pydantic asks its sources of settings",
    "reconnected": "a part of what every client of streams does",
}
"""Functions that nothing here names, each with who calls it."""
SCREENS: Final = Path("storymill/cli/story_review")
CALLED_BY_TEXTUAL: Final = re.compile(r"compose|(on|action)_\w+")
"""What textual finds on its screens by its name: for events, and for the keys of a binding."""


def find_defined(tree: ast.AST) -> Iterator[str]:
    """Yield the functions, methods and classes of a file; those with a decorator are somebody's by it."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef) and not node.decorator_list and not node.name.startswith("__"):
            yield node.name


def find_named(tree: ast.AST) -> Iterator[str]:
    """Yield whatever a file names: by name, as an attribute or an argument, or in a text (`"name"`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_what_the_product_defines_it_uses() -> None:
    named = {name for tree in parse_folders(USERS).values() for name in find_named(tree)}
    unused = {name: str(path) for path, tree in parse_folders(PRODUCT).items() for name in find_defined(tree)}
    unused = {
        name: path
        for name, path in unused.items()
        if name not in named and not (SCREENS in Path(path).parents and CALLED_BY_TEXTUAL.fullmatch(name))
    }
    assert unused.keys() - CALLED_BY_OTHERS.keys() == set(), unused
    assert CALLED_BY_OTHERS.keys() - unused.keys() == set(), "an exception that nothing needs any more"
