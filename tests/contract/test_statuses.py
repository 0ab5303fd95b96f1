"""One table of statuses (`shared/contracts/statuses.py`): what repeats it, because it must, is held to it here."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import Index

from services.gateway.batches.schemas import Batch
from services.gateway.comparisons.answers import Comparison
from services.gateway.datasets.schemas import Status as DatasetStatus
from services.gateway.files.schemas import File
from services.gateway.fine_tuning.schemas import FineTuningJob, ShownTracker
from services.gateway.generations.schemas import Status as GenerationStatus
from services.gateway.models.answers import ForgettingCell
from services.gateway.stories.schemas import StoryStatus
from services.gateway.streams.schemas import Stream
from services.gateway.uploads.schemas import Upload
from shared.contracts import statuses
from shared.contracts.statuses import Statuses
from shared.stores.db.models import Base
from storymill.client import statuses as client_statuses
from tests.support.stack import PROJECT_ROOT

OF_TABLE = {
    "completion": statuses.COMPLETION,
    "story": statuses.STORY,
    "generation": statuses.GENERATION,
    "batch": statuses.BATCH,
    "dataset": statuses.DATASET,
    "fine_tuning_job": statuses.FINE_TUNING_JOB,
    "model_evaluation": statuses.EVALUATION,
    "model_comparison": statuses.COMPARISON,
    "upload": statuses.UPLOAD,
    "file": statuses.FILE,
    "outbox": statuses.WEBHOOK_DELIVERY,
    "tracker_run": statuses.TRACKER_RUN,
    "attempt": statuses.ATTEMPT,
}
COLUMN = {"attempt": "outcome"}
WORDS = frozenset(word for table in OF_TABLE.values() for word in table.known)

INDEXED = {
    "ix_completion_open": statuses.COMPLETION.open,
    "ix_batch_open": statuses.BATCH.open,
    "ix_dataset_open": statuses.DATASET.open,
    "ix_model_evaluation_open": statuses.EVALUATION.workable,
    "ix_model_comparison_open": statuses.COMPARISON.workable,
    "ix_story_queued": ("queued",),
    "ix_story_running_lease": ("running",),
    "ix_attempt_open": statuses.ATTEMPT.open,
    "ix_outbox_due": statuses.WEBHOOK_DELIVERY.open,
    "ix_tracker_run_due": ("open", "given_up"),
    "ix_generation_open": statuses.GENERATION.workable,
    "ix_generation_cancelled": ("cancelled",),
    "ix_fine_tuning_job_queued": ("queued",),
    "ix_upload_pending": statuses.UPLOAD.open,
}
"""What each partial index over a status holds. `given_up` lies in the trackers' by its `<>`, and is never asked for."""

HELD = re.compile(r"(?:status|outcome) (?:in \((?P<several>[^)]*)\)|(?P<sign>=|<>) '(?P<one>\w+)')")
LISTED = re.compile(r"\b[a-z_]+\b(?=(?: \([^)]*\))?(?: ·|\.|$))")
"""The words of `queued · running · failed (why).`"""
NAMED = re.compile(r"\b(?:from|update|into|join)\s+(\w+)")


def read_groups(table: Statuses) -> set[frozenset[str]]:
    """Return every group of statuses that has a name."""
    groups = (table.workable, table.waiting, table.final, table.open, table.known)
    groups += (table.cancellable, table.pausable, table.resumable, table.repeatable)
    return {frozenset(group) for group in groups}


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def find_status_indexes() -> Iterator[tuple[str, Index]]:
    """Return the partial indexes whose predicate asks for a status, each with its table."""
    for table in Base.metadata.sorted_tables:
        for index in table.indexes:
            where = index.dialect_options["postgresql"]["where"]
            if where is not None and HELD.search(str(where)):
                yield table.name, index


def read_predicate(predicate: str, known: tuple[str, ...]) -> frozenset[str]:
    """Return the statuses for which a predicate of one comparison holds."""
    found = HELD.fullmatch(predicate)
    assert found is not None, predicate
    if found["several"]:
        return frozenset(re.findall(r"'(\w+)'", found["several"]))
    return frozenset({found["one"]} if found["sign"] == "=" else set(known) - {found["one"]})


@pytest.mark.parametrize("table", OF_TABLE.values(), ids=OF_TABLE)
def test_a_status_is_open_or_final_and_what_a_client_may_do_fits(table: Statuses) -> None:
    assert len(set(table.known)) == len(table.known)
    assert {*table.cancellable, *table.pausable, *table.resumable} <= set(table.open)
    assert not set(table.pausable) & set(table.resumable)
    assert set(table.repeatable) <= set(table.final)


def test_every_table_with_a_status_has_its_line() -> None:
    having = {table.name for table in Base.metadata.sorted_tables if {"status", "outcome"} & set(table.columns.keys())}
    assert having == set(OF_TABLE)


def test_the_columns_say_the_statuses_of_the_table() -> None:
    said = {}
    for path in (PROJECT_ROOT / "shared/stores/db/models").glob("*.py"):
        for model in (node for node in parse(path).body if isinstance(node, ast.ClassDef)):
            name, listed = read_model(model)
            if listed:
                said[name] = listed
    assert said == {name: set(table.known) for name, table in OF_TABLE.items()}


def read_model(model: ast.ClassDef) -> tuple[str, set[str]]:
    """Return a model's table, and the words that stand under its status column."""
    name, listed = "", set[str]()
    for node, following in zip(model.body, [*model.body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__tablename__":
            name = str(ast.literal_eval(node.value))
        is_status = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in {"status", "outcome"}
        if is_status and isinstance(following, ast.Expr):
            listed = set(
                re.findall(r"\b[a-z_]+\b(?=(?: \([^)]*\))?(?: ·|\.|$))", str(ast.literal_eval(following.value)))
            )
    return name, listed


def test_the_partial_indexes_hold_the_statuses_that_are_looked_for() -> None:
    held = {}
    for table, index in find_status_indexes():
        where = str(index.dialect_options["postgresql"]["where"])
        held[index.name] = read_predicate(where, OF_TABLE[table].known)
    assert held == {name: frozenset(held_statuses) for name, held_statuses in INDEXED.items()}


def test_the_migrations_make_the_indexes_of_the_models() -> None:
    made = {}
    for path in sorted((PROJECT_ROOT / "migrations/versions").glob("*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INDEXES":
                listed = ast.literal_eval(node.value)
                made |= {name: where for name, _, _, where in listed if where is not None and HELD.search(where)}
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("create_index"):
                continue
            where = [word.value for word in node.keywords if word.arg == "postgresql_where"]
            if where and isinstance(where[0], ast.Call):
                name, predicate = ast.literal_eval(node.args[0]), str(ast.literal_eval(where[0].args[0]))
                if HELD.search(predicate):
                    made[name] = predicate
    models = {index.name: str(index.dialect_options["postgresql"]["where"]) for _, index in find_status_indexes()}
    assert made == models


def read_statements() -> Iterator[tuple[str, str]]:
    """Return every text of the repositories that compares a status, with its file; not those put into others."""
    for path in sorted((PROJECT_ROOT / "shared/stores/db/repositories").glob("*.py")):
        tree = parse(path)
        constants = {ast.unparse(node.target): node.value for node in tree.body if isinstance(node, ast.AnnAssign)}
        texts = {name: str(value.value) for name, value in constants.items() if isinstance(value, ast.Constant)}
        used: set[str] = set()
        found = [statement for statement in find_texts(tree, texts, used) if HELD.search(statement)]
        parts = {texts[name] for name in used & set(texts)}
        yield from ((path.name, statement) for statement in found if statement not in parts)


def find_texts(node: ast.AST, constants: Mapping[str, str], used: set[str]) -> Iterator[str]:
    """Return every text under a node, with the constants that are put into it; note in `used` which these were."""
    if isinstance(node, ast.JoinedStr):
        names = [ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else "" for part in node.values]
        used.update(names)
        told = zip(node.values, names, strict=True)
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else constants.get(name, "") for part, name in told
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from find_texts(child, constants, used)


def test_the_predicates_of_the_repositories_are_groups_of_the_table() -> None:
    strange = []
    for name, statement in read_statements():
        tables = [OF_TABLE[table] for table in set(NAMED.findall(statement)) & set(OF_TABLE)]
        groups, words = set[frozenset[str]](), set[str]()
        for table in tables:
            groups |= read_groups(table)
            words |= set(table.known)
        for found in HELD.finditer(statement):
            several = frozenset(re.findall(r"'(\w+)'", found["several"] or ""))
            if (several and several not in groups) or (found["one"] and found["one"] not in words):
                strange.append((name, found[0]))
    assert strange == []


def find_own_groups(path: Path) -> Iterator[str]:
    """Return the collections of a file that hold statuses alone, at least two: a table of its own."""
    tree = parse(path)
    allowed = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.Tuple | ast.List) and id(node) not in allowed and len(node.elts) > 1:
            words = [part.value for part in node.elts if isinstance(part, ast.Constant)]
            if len(words) == len(node.elts) and set(words) <= WORDS:
                yield f"{path.relative_to(PROJECT_ROOT)}:{node.lineno} {ast.unparse(node)}"


def test_no_other_module_lists_statuses() -> None:
    tables = {"shared/contracts/statuses.py", "storymill/client/statuses.py"}
    folders = ("shared", "services/gateway", "services/streaming", "services/workers", "storymill")
    paths = [path for folder in folders for path in sorted((PROJECT_ROOT / folder).rglob("*.py"))]
    found = [group for path in paths for group in find_own_groups(path)]
    assert [group for group in found if group.split(":")[0] not in tables] == []


def test_the_answers_of_the_gateway_name_the_statuses_of_the_table() -> None:
    assert get_args(GenerationStatus) == statuses.GENERATION.open + statuses.GENERATION.final
    assert get_args(StoryStatus) == statuses.STORY.known
    assert get_args(DatasetStatus) == statuses.DATASET.known
    assert get_args(FineTuningJob.model_fields["status"].annotation) == statuses.FINE_TUNING_JOB.known
    assert get_args(Batch.model_fields["status"].annotation) == statuses.BATCH.known
    assert get_args(Upload.model_fields["status"].annotation) == statuses.UPLOAD.known
    assert get_args(Comparison.model_fields["status"].annotation) == statuses.COMPARISON.known
    assert get_args(Stream.model_fields["status"].annotation) == statuses.COMPLETION.known
    assert get_args(ShownTracker.model_fields["status"].annotation) == statuses.TRACKER_RUN.known
    measured, unmeasured = get_args(ForgettingCell.model_fields["status"].annotation)
    assert (get_args(measured), unmeasured) == (statuses.EVALUATION.known, type(None))
    shown = tuple(status for status in statuses.FILE.known if status != "deleted")
    assert get_args(File.model_fields["status"].annotation) == shown


def test_the_command_line_has_the_same_table() -> None:
    assert statuses.GENERATION.final == client_statuses.GENERATION_FINAL
    assert statuses.DATASET.final == client_statuses.DATASET_FINAL
    assert statuses.FINE_TUNING_JOB.final == client_statuses.FINE_TUNING_FINAL
    assert statuses.FINE_TUNING_JOB.open == client_statuses.FINE_TUNING_OPEN
    assert statuses.BATCH.final == client_statuses.BATCH_FINAL
    assert statuses.COMPARISON.workable == client_statuses.COMPARISON_WORKABLE
