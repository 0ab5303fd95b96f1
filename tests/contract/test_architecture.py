"""The dependency contracts of pyproject.toml, and the rules that no import linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.source_files import parse_folders
from tests.support.stack import PROJECT_ROOT

PACKAGES = ("services", "shared", "storymill")
HOMES = ("", "services.", "tests.unit.")
"""Before the folders of `tests/unit` in the names of what it tests; the last for a test that repeats another."""
BANNED_MODULES = {"utils", "helpers", "common", "misc", "base", "manager"}
ALLOWED_MODULES = {Path("shared/stores/db/models/base.py")}
"""SQLAlchemy's word: the declarative base."""


def source_files() -> list[Path]:
    """Every Python file of the product."""
    return sorted(path for package in PACKAGES for path in (PROJECT_ROOT / package).rglob("*.py"))


def test_imports_run_one_way() -> None:
    command = [str(PROJECT_ROOT / ".venv" / "bin" / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]


def test_no_module_is_called_nothing_in_particular() -> None:
    named = [path.relative_to(PROJECT_ROOT) for path in source_files() if path.stem in BANNED_MODULES]
    assert [path for path in named if path not in ALLOWED_MODULES] == []


@pytest.mark.parametrize("banned", ["BaseHTTPMiddleware", "GZipMiddleware"])
def test_no_file_imports_middleware_that_hides_disconnects(banned: str) -> None:
    found = [str(path) for path in source_files() if re.search(rf"import .*{banned}", path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_module_says_what_it_is() -> None:
    silent = [str(path) for path, tree in parse_folders(PACKAGES).items() if not ast.get_docstring(tree)]
    assert silent == []


def test_a_unit_test_lies_where_its_subject_does() -> None:
    strays = []
    for path, tree in parse_folders(("tests/unit",)).items():
        room = ".".join(path.parent.parts[2:])
        if path.name.startswith("test_") and room and not room.startswith("engine"):
            imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
            if not any(f"{module}.".startswith(f"{home}{room}.") for module in imported for home in HOMES):
                strays.append(str(path))
    assert strays == []
