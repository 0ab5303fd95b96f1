"""The engine imports nothing of ours, so it states bounds and door again: both must say the same."""

from pathlib import Path

import pytest

from services.engine.settings import EngineSettings
from services.engine.training.row_bound import RowBound as EngineRowBound
from services.engine.training.settings import TrainingSettings
from shared.bounds import Bounds
from shared.texts.row_bound import RowBound
from tests.support.stack import PROJECT_ROOT

OURS, THEIRS = PROJECT_ROOT / "shared/http/door", PROJECT_ROOT / "services/engine/door"
TWINS = [
    *((OURS / path.name, path) for path in sorted(THEIRS.glob("*.py")) if path.name != "__init__.py"),
    (PROJECT_ROOT / "shared/texts/json_cost.py", PROJECT_ROOT / "services/engine/json_cost.py"),
]


@pytest.mark.parametrize(("ours", "theirs"), TWINS, ids=lambda path: path.name)
def test_the_engine_has_the_same_file(ours: Path, theirs: Path) -> None:
    text = ours.read_text(encoding="utf-8").replace("shared.http.door", "services.engine.door")
    assert theirs.read_text(encoding="utf-8") == text


def test_the_engine_has_every_file_of_the_door() -> None:
    assert {path.name for path in OURS.glob("*.py")} == {path.name for path in THEIRS.glob("*.py")}


def test_bounds_of_one_name_have_one_default() -> None:
    common = {name for name in EngineSettings.model_fields if name in Bounds.model_fields}
    assert {name: EngineSettings.model_fields[name].default for name in common} == {
        name: Bounds.model_fields[name].default for name in common
    }
    assert {name for name in Bounds.model_fields if name.startswith("door_")} < common


def test_a_row_that_a_job_may_have_the_engine_takes() -> None:
    ours = RowBound.of(Bounds())
    engine = EngineRowBound.of(TrainingSettings())
    assert (engine.most_bytes, engine.json.nodes, engine.json.values) == (
        ours.most_bytes,
        ours.json.nodes,
        ours.json.values,
    )
