"""Files and functions stay small enough to be read in one piece."""

from pathlib import Path

from tests.support.source_files import EVERYTHING, parse_folders, walk_functions
from tests.support.stack import PROJECT_ROOT

MAXIMUM_FILE_LINES = 300
MAXIMUM_FUNCTION_LINES = 50

LONG_FILES: dict[Path, str] = {
    Path("migrations/versions/0003_fine_tuning_models_deliveries.py"): "table after table, as Alembic drafts it",
    Path("services/engine/training/job_run.py"): "one job's life; to be parted with the engine's next change",
    Path("services/engine/training/job_store.py"): "one table's statements; to be parted with the engine's next change",
    Path("tests/contract/border/test_fuzz.py"): "every reader of the border under one mutator",
    Path("tests/contract/engine/test_fine_tuning_client.py"): "one client's walk over one resource",
    Path("tests/integration/gateway/test_batches.py"): "one route's cases",
    Path("tests/integration/gateway/test_completions.py"): "one route's cases",
    Path("tests/integration/stream/test_hub.py"): "one class's cases over one scripted log",
    Path("tests/integration/workers/test_interactive.py"): "one task's cases over one bench",
    Path("tests/integration/workers/fine_tuning/test_giving_up.py"): "one step's cases over one bench",
    Path("tests/support/tuning_upstream.py"): "one scripted provider with its state",
}
LONG_FUNCTIONS: dict[tuple[Path, str], str] = {
    (Path("migrations/versions/0001_first_tables.py"), "upgrade"): "table after table, as Alembic drafts it",
    (Path("migrations/versions/0002_files_and_datasets.py"), "upgrade"): "table after table, as Alembic drafts it",
    (Path("migrations/versions/0003_fine_tuning_models_deliveries.py"), "upgrade"): "table after table",
    (Path("migrations/versions/0003_fine_tuning_models_deliveries.py"), "downgrade"): "table after table",
    (Path("tests/integration/costs/conftest.py"), "tune"): "a fixture that leaves a whole tuning job behind",
}


def count_lines(path: Path) -> int:
    """Return how many lines a file has."""
    return len((PROJECT_ROOT / path).read_text(encoding="utf-8").splitlines())


def test_no_file_is_longer_than_its_reason() -> None:
    long = {path for path in parse_folders(EVERYTHING) if count_lines(path) > MAXIMUM_FILE_LINES}
    assert long == set(LONG_FILES)


def test_no_function_is_longer_than_its_reason() -> None:
    long = {
        (path, function.name)
        for path, tree in parse_folders(EVERYTHING).items()
        for function in walk_functions(tree)
        if (function.end_lineno or 0) - function.lineno >= MAXIMUM_FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)
