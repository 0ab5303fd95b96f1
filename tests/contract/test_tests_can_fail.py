"""Every test says what must hold: by an assertion, by an expected error, or by a helper of the tests that does."""

import ast

from tests.support.source_files import find_called_names, parse_folders, walk_functions

EXPECTING = {"raises", "fail", "warns"}
"""What pytest offers beside `assert`."""


def expects_something(tree: ast.AST) -> bool:
    """Say whether the code asserts, raises or expects an error in its own lines."""
    own = any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree))
    return own or bool(find_called_names(tree) & EXPECTING)


def find_expecting_helpers() -> set[str]:
    """Return the names of functions below `tests` that expect something, by themselves or through one another."""
    helpers = [
        function
        for tree in parse_folders(("tests",)).values()
        for function in walk_functions(tree)
        if not function.name.startswith("test_")
    ]
    found = {helper.name for helper in helpers if expects_something(helper)}
    while more := {helper.name for helper in helpers if find_called_names(helper) & found} - found:
        found |= more
    return found


def test_every_test_expects_something() -> None:
    helpers = find_expecting_helpers()
    idle = [
        f"{path}::{function.name}"
        for path, tree in parse_folders(("tests",)).items()
        if path.name.startswith("test_")
        for function in walk_functions(tree)
        if function.name.startswith("test_")
        and not expects_something(function)
        and not find_called_names(function) & helpers
    ]
    assert idle == []


def test_a_test_that_only_calls_is_found() -> None:
    idle = ast.parse("def test_nothing() -> None:\n    prepare()\n")
    assert not expects_something(idle)
    assert find_called_names(idle) == {"prepare"}
