"""Whatever the database is asked or told stands in its repositories: statements, calls on a session, and what is
written by setting an attribute of a row."""

import ast
import re
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
TAKES = frozenset({"values", "items", "get", "pop", "copy", "popitem"})
"""Methods that give what a container holds."""
KEEPS = frozenset(
    {"list", "tuple", "set", "sorted", "reversed", "enumerate", "zip", "iter", "next", "dict", "min", "max", "cast"}
)
"""Functions that give what they are given."""
QUOTED = re.compile(r"\w+")


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
    of_class = {
        id(method): find_rows_of_class(node, row_makers)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for method in walk_functions(node)
    }
    for function in walk_functions(tree):
        sessions = set(find_sessions(function))
        rows = find_rows(function, row_makers, of_class.get(id(function), frozenset()))
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in sessions:
                found[node.lineno, node.col_offset] = ast.unparse(node)
        found |= {(node.lineno, node.col_offset): ast.unparse(node) for node in find_writes(function, rows, row_makers)}
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


def find_rows(function: Function, row_makers: frozenset[str], known: frozenset[str] = frozenset()) -> set[str]:
    """Return the names under which a function has rows of a table, or things that hold some: followed through
    assignments, loops and walruses, until none is new. `known`: those that its class has."""
    rows = set(known)
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation and names_row(node.annotation):
            rows.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and names_row(node.annotation):
            rows.add(ast.unparse(node.target))
        elif isinstance(node, ast.withitem) and makes_session(node.context_expr):
            rows |= {ast.unparse(name) for name in list_targets(node.optional_vars or node.context_expr)[1:]}
    while more := {name for node in ast.walk(function) for name in list_followers(node, rows, row_makers)} - rows:
        rows |= more
    return rows


def list_followers(node: ast.AST, rows: set[str], row_makers: frozenset[str]) -> list[str]:
    """Return the names that a statement or an expression gives to rows."""
    if isinstance(node, ast.Assign):
        value, targets = node.value, node.targets
    elif isinstance(node, ast.NamedExpr | ast.AnnAssign) and node.value is not None:
        value, targets = node.value, [node.target]
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        value, targets = node.iter, [node.target]
    else:
        return []
    if not holds_rows(value, rows, row_makers):
        return []
    named = (inner for target in targets for inner in list_targets(target))
    return [ast.unparse(name) for name in named if isinstance(name, ast.Name | ast.Attribute)]


def find_rows_of_class(tree: ast.ClassDef, row_makers: frozenset[str]) -> frozenset[str]:
    """Return the attributes in which the methods of a class find rows: annotated in its body, or set by one of them."""
    fields = [node for node in tree.body if isinstance(node, ast.AnnAssign) and names_row(node.annotation)]
    found = {f"self.{ast.unparse(field.target)}" for field in fields}
    for method in walk_functions(tree):
        found |= {name for name in find_rows(method, row_makers, frozenset(found)) if name.startswith("self.")}
    return frozenset(found)


def names_row(annotation: ast.expr) -> bool:
    """Say whether a type is, or holds, a row of a table, however it is spelled: quoted and dotted, too."""
    for node in ast.walk(annotation):
        if (isinstance(node, ast.Name) and node.id in ROWS) or (isinstance(node, ast.Attribute) and node.attr in ROWS):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ROWS & set(QUOTED.findall(node.value)):
            return True
    return False


def holds_rows(value: ast.expr, rows: set[str], row_makers: frozenset[str]) -> bool:
    """Say whether a value is a row, or something that holds rows: given by a function that gives some, or taken out of,
    or made of, what holds some."""
    if ast.unparse(value) in rows:
        return True
    if isinstance(value, ast.Await | ast.Subscript | ast.Starred | ast.NamedExpr):
        parts = [value.value]
    elif isinstance(value, ast.BoolOp):
        parts = value.values
    elif isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, ast.Tuple | ast.List | ast.Set):
        parts = value.elts
    elif isinstance(value, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        parts = [value.elt]
    elif isinstance(value, ast.DictComp):
        parts = [value.value]
    elif isinstance(value, ast.Call):
        name = ast.unparse(value.func).split(".")[-1]
        taken = [value.func.value] if isinstance(value.func, ast.Attribute) and name in TAKES else []
        parts = [*taken, *(value.args if name in KEEPS else [])]
        if name in row_makers:
            return True
    else:
        return False
    return any(holds_rows(part, rows, row_makers) for part in parts)


def find_writes(function: Function, rows: set[str], row_makers: frozenset[str]) -> Iterator[ast.expr]:
    """Yield what a function changes of its rows: attributes set, deleted, or filled where they hold more than one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.Delete):
            targets = [inner for target in node.targets for inner in list_targets(target)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setattr":
            if holds_rows(node.args[0], rows, row_makers):
                yield node
            continue
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FILLS:
            targets = [node.func.value]
        else:
            continue
        yield from (target for target in targets if is_column(target, rows, row_makers))


def list_targets(target: ast.expr) -> list[ast.expr]:
    """Return the targets of an assignment that may have several."""
    if isinstance(target, ast.Tuple | ast.List):
        return [inner for element in target.elts for inner in list_targets(element)]
    return [target]


def is_column(target: ast.expr, rows: set[str], row_makers: frozenset[str]) -> bool:
    """Say whether a target is an attribute of a row, or an item of one."""
    while isinstance(target, ast.Subscript) and not holds_rows(target, rows, row_makers):
        target = target.value
    return isinstance(target, ast.Attribute) and holds_rows(target.value, rows, row_makers)


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
    found = await list_stories(session)
    for one in found:
        one.status = "failed"
    listed: list[Story] = []
    listed[0].text = ""
    by_id = {one.id: one for one in found}
    by_id["s"].review = None
    for _, other in by_id.items():
        other.cost_usd = 0
    by_id.get("t").attempt += 1
    if (walrus := await find_by_id(session, "m")) is not None:
        walrus.name = "n"
    (await find_by_id(session, "m")).name = "o"
    for number, numbered in enumerate(sorted(found, key=str)):
        numbered.position = number
    first, *rest = found
    first.repeat = 1

def quoted(job: "FineTuningJob", upload: models.Upload, names: dict[str, "Story"]):
    job.error = None
    upload.status = "gone"
    names["a"].text = ""

class Keeper:
    row: Story
    def __init__(self, job: FineTuningJob) -> None:
        self.job = job
        self.count = 0
    def write(self) -> None:
        self.job.tries = 0
        self.row.text = ""
        self.count += 1
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
        "one.status",
        "listed[0].text",
        "by_id['s'].review",
        "other.cost_usd",
        "by_id.get('t').attempt",
        "walrus.name",
        "(await find_by_id(session, 'm')).name",
        "numbered.position",
        "first.repeat",
        "job.error",
        "upload.status",
        "names['a'].text",
        "self.job.tries",
        "self.row.text",
    ]
