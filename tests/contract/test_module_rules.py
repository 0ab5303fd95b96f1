"""What may know what, module by module: rules about the whole product that no import linter knows."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.support.stack import PROJECT_ROOT

PRODUCT = ("services", "shared", "storymill")
FEWEST_USERS = 2
ONE_USER_ALLOWED = {
    "shared.stores.db.repositories": "the database is one contract: who reads a table next must find its SQL here",
    "shared.stores.db.migrate": "started by the launcher and by operators, as a command",
    "shared.contracts.stream.fold": "what every client does, ours and others'; the command line's twin is held equal",
}
"""Modules and folders of `shared` that fewer than two services import, each with its reason: five at most."""

DATABASE_FOLDER = "shared/stores/db"
STATEMENTS = frozenset(
    {"select", "insert", "update", "delete", "text", "func", "exists", "and_", "or_", "not_", "case"}
)
SESSION_MAKERS = frozenset({"transaction", "writing"})
"""Methods whose `async with` gives a session, alone or first."""


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


def find_sql(tree: ast.Module) -> list[str]:
    """Return the parts of statements that a module imports, and the calls that it makes on a database session."""
    imported = [
        f"imports {part.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy"
        for part in node.names
        if part.name in STATEMENTS
    ]
    calls = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            sessions = set(find_sessions(function))
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) in sessions:
                    calls[node.lineno, node.col_offset] = ast.unparse(node)
    return imported + [calls[place] for place in sorted(calls)]


def find_sessions(function: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    """Yield the names under which a function has a database session."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation and "AsyncSession" in ast.unparse(node.annotation):
            yield node.arg
        elif isinstance(node, ast.withitem) and node.optional_vars and makes_session(node.context_expr):
            first = node.optional_vars.elts[0] if isinstance(node.optional_vars, ast.Tuple) else node.optional_vars
            yield ast.unparse(first)


def makes_session(expression: ast.expr) -> bool:
    """Say whether a context manager gives a database session."""
    return (
        isinstance(expression, ast.Call)
        and isinstance(expression.func, ast.Attribute)
        and expression.func.attr in SESSION_MAKERS
    )


def test_sql_stands_in_repositories_alone() -> None:
    found = {
        str(path.relative_to(PROJECT_ROOT)): calls
        for path, tree in read_product().values()
        if not path.is_relative_to(PROJECT_ROOT / DATABASE_FOLDER) and (calls := find_sql(tree))
    }
    assert found == {}


def test_sql_is_found_however_a_session_came() -> None:
    source = """
from sqlalchemy import select
async def read(database, held, db: AsyncSession):
    await db.get_one(Row, 1)
    async with database.transaction() as one:
        await one.scalars(query)
    async with held.writing() as (two, job):
        two.add(job)
"""
    assert find_sql(ast.parse(source)) == ["imports select", "db.get_one", "one.scalars", "two.add"]
