"""Whatever the database is asked or told stands in its repositories: statements, calls on a session, and what is
written by setting an attribute of a row."""

import ast
from collections.abc import Iterator
from pathlib import Path

from shared.stores.db import models
from tests.support.source_files import PRODUCT, Function, parse_folders, walk_functions

DATABASE_FOLDER = Path("shared/stores/db")
STATEMENTS = frozenset(
    {"select", "insert", "update", "delete", "text", "func", "exists", "and_", "or_", "not_", "case"}
)
SESSION_MAKERS = frozenset({"transaction", "long_transaction", "writing"})
"""Methods whose `async with` gives a session, alone or first. What comes second is a row."""
ROWS = frozenset(models.__all__)
FILLS = frozenset({"update", "append", "extend", "add", "pop", "clear", "remove", "setdefault"})
"""Methods that change what a column holds."""


def find_sql(tree: ast.Module, row_makers: frozenset[str] = frozenset()) -> list[str]:
    """Return the parts of statements that a module imports, its calls on sessions and its writes to rows."""
    imported = [
        f"imports {part.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy"
        for part in node.names
        if part.name in STATEMENTS
    ]
    found = {}
    for function in walk_functions(tree):
        sessions, rows = set(find_sessions(function)), set(find_rows(function, row_makers))
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in sessions:
                found[node.lineno, node.col_offset] = ast.unparse(node)
        found |= {(node.lineno, node.col_offset): ast.unparse(node) for node in find_writes(function, rows)}
    return imported + [found[place] for place in sorted(found)]


def find_sessions(function: Function) -> Iterator[str]:
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


def find_rows(function: Function, row_makers: frozenset[str]) -> Iterator[str]:
    """Yield the names under which a function has a row of a table."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation and names_row(node.annotation):
            yield node.arg
        elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Tuple):
            if makes_session(node.context_expr):
                yield from (ast.unparse(name) for name in node.optional_vars.elts[1:])
        elif isinstance(node, ast.Assign) and makes_row(node.value, row_makers):
            yield from (ast.unparse(name) for target in node.targets for name in list_targets(target))
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and makes_row(node.iter, row_makers):
            yield from (ast.unparse(name) for name in list_targets(node.target))


def names_row(annotation: ast.expr) -> bool:
    """Say whether a type is, or holds, a row of a table."""
    return any(isinstance(node, ast.Name) and node.id in ROWS for node in ast.walk(annotation))


def makes_row(value: ast.expr, row_makers: frozenset[str]) -> bool:
    """Say whether a value is what a function that gives rows has given."""
    value = value.value if isinstance(value, ast.Await) else value
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in row_makers


def find_writes(function: Function, rows: set[str]) -> Iterator[ast.expr]:
    """Yield what a function changes of its rows: attributes set, deleted, or filled where they hold more than one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.Delete):
            targets = [inner for target in node.targets for inner in list_targets(target)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr" and ast.unparse(node.args[0]) in rows:
            yield node
            continue
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FILLS:
            targets = [node.func.value]
        else:
            continue
        yield from (target for target in targets if is_column(target, rows))


def list_targets(target: ast.expr) -> list[ast.expr]:
    """Return the targets of an assignment that may have several."""
    if isinstance(target, ast.Tuple | ast.List):
        return [inner for element in target.elts for inner in list_targets(element)]
    return [target]


def is_column(target: ast.expr, rows: set[str]) -> bool:
    """Say whether a target is an attribute of a row, or an item of one."""
    while isinstance(target, ast.Subscript):
        target = target.value
    return isinstance(target, ast.Attribute) and ast.unparse(target.value) in rows


def test_sql_stands_in_repositories_alone() -> None:
    trees = parse_folders(PRODUCT)
    row_makers = frozenset(
        function.name
        for tree in trees.values()
        for function in walk_functions(tree)
        if function.returns is not None and names_row(function.returns)
    )
    found = {
        str(path): calls
        for path, tree in trees.items()
        if not path.is_relative_to(DATABASE_FOLDER) and (calls := find_sql(tree, row_makers))
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
    async with database.long_transaction() as three:
        await three.execute(query)
"""
    calls = ["imports select", "db.get_one", "one.scalars", "two.add", "three.execute"]
    assert find_sql(ast.parse(source)) == calls


def test_a_write_to_a_row_is_found_however_the_row_came() -> None:
    source = """
async def write(database, held, job: FineTuningJob | None):
    job.step, job.tries = "follow", 0
    async with held.writing() as (session, held_job):
        held_job.attempt += 1
        held_job.hyperparameters["n_epochs"] = 3
        held_job.upstream_result_files.append("file")
        setattr(held_job, "status", "failed")
    model = await registry.find_by_id(session, "m")
    model.deleted_at = None
    for story in await list_stories(session):
        story.text = ""
    fetched = model.name
"""
    assert find_sql(ast.parse(source), frozenset({"find_by_id", "list_stories"})) == [
        "job.step",
        "job.tries",
        "held_job.attempt",
        "held_job.hyperparameters['n_epochs']",
        "held_job.upstream_result_files",
        "setattr(held_job, 'status', 'failed')",
        "model.deleted_at",
        "story.text",
    ]
