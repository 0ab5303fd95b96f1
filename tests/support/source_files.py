"""The Python files of the project, parsed, for the tests that read code."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.stack import PROJECT_ROOT

PRODUCT = ("services", "shared", "storymill")
EVERYTHING = (*PRODUCT, "migrations", "benchmarks", "tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


def parse_folders(folders: tuple[str, ...]) -> dict[Path, ast.Module]:
    """Return the trees of every Python file below the folders, by path from the project's root."""
    return {path: tree for folder in folders for path, tree in _parse_folder(folder).items()}


@cache
def _parse_folder(folder: str) -> dict[Path, ast.Module]:
    paths = sorted((PROJECT_ROOT / folder).rglob("*.py"))
    return {path.relative_to(PROJECT_ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def walk_functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method, also those inside others."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def find_called_names(tree: ast.AST) -> set[str]:
    """Return the last part of whatever is called: `pytest.raises(…)` gives `raises`."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {name.id for name in called if isinstance(name, ast.Name)} | {
        name.attr for name in called if isinstance(name, ast.Attribute)
    }
