"""Every test says what must hold: by an assertion, by an expected error, or by a helper of the tests that does. A
helper is the one that is imported, not any function of that name; of methods the name alone is known."""

import ast
from pathlib import Path

from tests.support.source_files import Function, find_called_names, parse_folders, walk_functions

EXPECTING = {"raises", "fail", "warns"}
"""What pytest offers beside `assert`."""
METHODS = Path("methods")
"""Stands for the file of a method: whose it is, only a type checker knows."""

Called = tuple[Path, str]
"""File and name of something that is called."""


def expects_something(tree: ast.AST) -> bool:
    """Say whether the code asserts, raises or expects an error in its own lines."""
    own = any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree))
    return own or bool(find_called_names(tree) & EXPECTING)


def read_imports(tree: ast.Module) -> dict[str, Called]:
    """Return what each imported name of a file stands for."""
    return {
        part.asname or part.name: (Path(*(node.module or "").split(".")).with_suffix(".py"), part.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for part in node.names
    }


def find_called(path: Path, imports: dict[str, Called], tree: ast.AST) -> set[Called]:
    """Return what is called in a piece of a file: its own functions, imported ones, functions of imported modules, and
    methods."""
    found = set[Called]()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            found.add(imports.get(node.func.id, (path, node.func.id)))
        elif isinstance(node.func, ast.Attribute):
            folder, module = imports.get(ast.unparse(node.func.value), (METHODS, ""))
            home = folder.with_suffix("") / f"{module}.py" if module else METHODS
            found.add((home, node.func.attr))
    return found


def list_methods(tree: ast.Module) -> set[Function]:
    """Return the functions of a file that stand in a class."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {inner for node in classes for inner in node.body if isinstance(inner, Function)}


def find_expecting_helpers(files: dict[Path, ast.Module]) -> set[Called]:
    """Return the functions of files that expect something, by themselves or through one another."""
    calls, found = dict[Called, set[Called]](), set[Called]()
    for path, tree in files.items():
        imports, methods = read_imports(tree), list_methods(tree)
        for function in walk_functions(tree):
            helper = (METHODS if function in methods else path, function.name)
            calls[helper] = calls.get(helper, set()) | find_called(path, imports, function)
            if expects_something(function):
                found.add(helper)
    while more := {helper for helper, called in calls.items() if called & found} - found:
        found |= more
    return found


def find_idle(files: dict[Path, ast.Module]) -> list[str]:
    """Return the tests that expect nothing."""
    helpers = find_expecting_helpers(files)
    return [
        f"{path}::{function.name}"
        for path, tree in files.items()
        if path.name.startswith("test_")
        for function in walk_functions(tree)
        if function.name.startswith("test_")
        and not expects_something(function)
        and not find_called(path, read_imports(tree), function) & helpers
    ]


def test_every_test_expects_something() -> None:
    assert find_idle(parse_folders(("tests",))) == []


def test_a_test_that_only_calls_is_found_whatever_others_call_by_that_name() -> None:
    files = {
        Path("tests/a.py"): "def check():\n    assert x\n",
        Path("tests/b.py"): "def check():\n    pass\n",
        Path("tests/test_a.py"): "from tests.a import check\ndef test_good():\n    check()\n",
        Path("tests/test_b.py"): "from tests.b import check\ndef test_idle():\n    check()\n",
        Path("tests/test_c.py"): "from tests import a\ndef test_good():\n    a.check()\n",
        Path("tests/test_d.py"): "def test_idle():\n    prepare()\n",
    }
    trees = {path: ast.parse(text) for path, text in files.items()}
    assert find_idle(trees) == ["tests/test_b.py::test_idle", "tests/test_d.py::test_idle"]
