"""One word, one meaning: no two classes or types of the platform bear one name, but those listed, each with its reason.

The engine is another program, which imports nothing of ours; inside it the same rule holds."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.source_files import parse_folders

ENGINE = "services/engine"
ONE_THING_TWICE = {
    "Fold": "every client has a copy of it; a test holds the two equal",
}
"""Names that two classes may bear: both are the same thing."""
CAMEL_CASE = re.compile(r"(?:[A-Z][a-z0-9]+)+")
FORMS = frozenset({"Annotated", "Literal"})
"""What a field of a request, an answer or a row may hold: each form has words of its own, as it has fields."""
ROWS, ANSWERS = "shared/stores/db/models", "schemas.py"
"""A row of a table and what a client sees of it are one thing in two forms, and so is a provider's configuration."""
CONFIGURED = Path("shared/outside/providers/configuration.py")


def find_classes(*, of_engine: bool) -> dict[str, list[Path]]:
    """Return where each name of a class or a type is defined, in the platform or in the engine. Types that are spelled
    alike, one a file, are one thing."""
    found, spelled = defaultdict[str, list[Path]](list), set[tuple[str, str]]()
    for path, tree in parse_folders(("services", "shared", "storymill")).items():
        if str(path).startswith(ENGINE) is of_engine:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(path)
            for name, spelling in find_aliases(tree):
                if (name, spelling) not in spelled:
                    found[name].append(path)
                spelled.add((name, spelling))
    return found


def find_aliases(tree: ast.Module) -> list[tuple[str, str]]:
    """Return the names in CamelCase that a module gives to types, each with what it stands for. Type variables stand
    for nothing of their own."""
    return [
        (target.id, ast.unparse(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript | ast.BinOp)
        and ast.unparse(node.value).partition("[")[0] not in FORMS
        for target in node.targets
        if isinstance(target, ast.Name) and CAMEL_CASE.fullmatch(target.id)
    ]


def is_form_of_a_row(paths: list[Path]) -> bool:
    """Say whether two classes are a thing as we keep it, and as an answer of the gateway shows it."""
    kept = [path for path in paths if str(path).startswith(ROWS) or path == CONFIGURED]
    shown = [path for path in paths if path.name == ANSWERS and str(path).startswith("services/gateway")]
    return len(kept) == len(shown) == 1 and len(paths) == 2


@pytest.mark.parametrize("of_engine", [False, True], ids=["platform", "engine"])
def test_no_two_classes_bear_one_name(of_engine: bool) -> None:
    classes = find_classes(of_engine=of_engine)
    assert len(classes) > 50
    twice = {name: paths for name, paths in classes.items() if len(paths) > 1 and not is_form_of_a_row(paths)}
    assert {name: sorted(map(str, paths)) for name, paths in twice.items() if name not in ONE_THING_TWICE} == {}


def test_no_name_is_excused_that_needs_no_excuse() -> None:
    classes = find_classes(of_engine=False)
    assert [name for name in ONE_THING_TWICE if len(classes[name]) < 2] == []


def test_a_folder_and_a_file_in_it_do_not_share_a_name() -> None:
    files = parse_folders(("services", "shared", "storymill"))
    shared = [str(path) for path in files if path.stem.rstrip("s") == path.parent.name.rstrip("s")]
    assert shared == []
