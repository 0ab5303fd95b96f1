"""What may know what, module by module: rules about the whole product that no import linter knows."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.support.stack import PROJECT_ROOT

PRODUCT = ("services", "shared", "storymill")
FEWEST_USERS = 2
ONE_USER_ALLOWED = {
    "shared.stores.db.repositories": "the database is one contract: who reads a table next must find its SQL here",
    "shared.stores.db.migrate": "started by the launcher and by operators, as a command",
    "shared.outside.providers.border": "the border is one place, whoever asks for what comes over it",
    "shared.texts.json_schemas.process": "begun by gateway and workers, as a command, through the module beside it",
    "shared.contracts.stream.fold": "what every client does, ours and others'; the command line's twin is held equal",
}
"""Modules and folders of `shared` that fewer than two services import, each with its reason: five at most."""


@cache
def read_product() -> Mapping[str, tuple[Path, ast.Module]]:
    """Return the modules of the product by name, each with its path and syntax tree."""
    found = {}
    for package in PRODUCT:
        for path in sorted((PROJECT_ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = (path, ast.parse(path.read_text(encoding="utf-8")))
    return found


@cache
def read_imports() -> Mapping[str, frozenset[str]]:
    """Return which modules of the product each module imports: anywhere in it, for types alone too."""
    modules = read_product()
    imports = {}
    for name, (_, tree) in modules.items():
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{part.name}" for part in node.names}
                found |= (inner & modules.keys()) or {node.module}
            elif isinstance(node, ast.Import):
                found |= {part.name for part in node.names}
        imports[name] = frozenset(found & modules.keys())
    return imports


def find_cycles(imports: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Return the modules that reach themselves, each with the way back to it."""
    cycles = []
    for start in imports:
        way_to = {target: [start, target] for target in imports[start]}
        waiting = list(way_to)
        while waiting and start not in way_to:
            module = waiting.pop(0)
            for target in imports[module] - way_to.keys():
                way_to[target] = [*way_to[module], target]
                waiting.append(target)
        if start in way_to:
            cycles.append(way_to[start])
    return cycles


def test_no_modules_import_each_other() -> None:
    assert find_cycles(read_imports()) == []


def test_a_cycle_is_found() -> None:
    assert find_cycles({"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b"})}) == [
        ["b", "c", "b"],
        ["c", "b", "c"],
    ]


def find_users(module: str, importers: Mapping[str, set[str]]) -> set[str]:
    """Return the services that use a module, directly or through `shared`."""
    seen, users, waiting = {module}, set[str](), [module]
    while waiting:
        for importer in importers[waiting.pop()] - seen:
            seen.add(importer)
            if importer.startswith("shared."):
                waiting.append(importer)
            elif importer.startswith("services."):
                users.add(importer.split(".")[1])
    return users


def test_what_is_shared_has_two_users() -> None:
    importers = defaultdict[str, set[str]](set)
    for module, targets in read_imports().items():
        for target in targets:
            importers[target].add(module)
    lonely = {
        module
        for module, (path, _) in read_product().items()
        if module.startswith("shared.")
        and path.name != "__init__.py"
        and len(find_users(module, importers)) < FEWEST_USERS
    }
    allowed = {name for name in lonely if any(f"{name}.".startswith(f"{listed}.") for listed in ONE_USER_ALLOWED)}
    assert sorted(lonely - allowed) == []
    needed = {listed for listed in ONE_USER_ALLOWED if any(f"{name}.".startswith(f"{listed}.") for name in allowed)}
    assert needed == ONE_USER_ALLOWED.keys(), "an exception that nothing needs any more"
    assert len(ONE_USER_ALLOWED) <= 5
