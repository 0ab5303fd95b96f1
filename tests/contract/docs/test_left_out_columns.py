"""docs/clients.md says which columns a list leaves out on a narrow terminal, and in which order."""

import ast
import re
from pathlib import Path

from tests.support.source_files import parse_folders
from tests.support.stack import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
COMMANDS = Path("storymill/cli")


def read_order(call: ast.Call) -> list[str]:
    """Return the titles that a list leaves out, the first to go first."""
    pairs = [ast.literal_eval(node) for node in ast.walk(call) if is_pair(node)]
    return [title for title, _ in sorted(pairs, key=lambda pair: pair[1])]


def is_pair(node: ast.AST) -> bool:
    """Say whether a piece of code is a title with its place in the order."""
    return (
        isinstance(node, ast.Tuple)
        and len(node.elts) == 2
        and all(isinstance(one, ast.Constant) for one in node.elts)
        and isinstance(node.elts[1], ast.Constant)
        and isinstance(node.elts[1].value, int)
    )


def test_the_page_tells_the_order_of_every_list() -> None:
    calls = [
        node
        for path, tree in parse_folders(("storymill",)).items()
        if path.parent == COMMANDS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "make_columns"
    ]
    ordered = sorted(", ".join(order) for call in calls if (order := read_order(call)))
    section = PAGE[PAGE.index("| list | left out first") :]
    told = re.findall(r"^\| .*`.* \| ([\w ,]+?)(?:;.*)? \|$", section, re.MULTILINE)
    assert sorted(told) == ordered
