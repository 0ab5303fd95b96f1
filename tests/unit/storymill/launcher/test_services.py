"""The table of processes: what the options change in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from storymill.launcher.engine_model import EngineModel, keep_engine_model
from storymill.launcher.errors import StateDirError
from storymill.launcher.options import UpOptions
from storymill.launcher.process_spec import ProcessSpec
from storymill.launcher.services import Addresses, build_environment, build_services
from storymill.launcher.state_dir import StateDir
from storymill.launcher.stores import Stores

ADDRESSES = Addresses(gateway_port=8000, streaming_port=8001, engine_port=8002)
STATE = StateDir(Path("/state"))
STORES = Stores({"STORYMILL_DATABASE_URL": "postgresql://database", "STORYMILL_REDIS_URL": "redis://queue"}, [])
OPTIONS = UpOptions(state_dir=Path("/state"))


def build_table(options: UpOptions) -> list[list[ProcessSpec]]:
    environment = build_environment(options, STATE, STORES, ADDRESSES)
    return build_services(options, STATE, environment, ADDRESSES)


def list_names(options: UpOptions) -> list[str]:
    return [spec.name for group in build_table(options) for spec in group]


def test_everything_is_started_by_default_the_engine_first_and_the_gateway_last() -> None:
    names = list_names(OPTIONS)
    assert names == [
        *("engine", "worker-interactive", "worker-generation", "worker-batch", "worker-maintenance", "beat"),
        *("streaming", "gateway"),
    ]


@pytest.mark.parametrize("options", [replace(OPTIONS, with_engine=False), replace(OPTIONS, upstream="http://up/v1")])
def test_no_engine_is_started_where_none_is_wanted_or_needed(options: UpOptions) -> None:
    assert "engine" not in list_names(options)
    environment = build_environment(options, STATE, STORES, ADDRESSES)
    assert environment["STORYMILL_ENGINE_URL"] == ""
    assert environment["STORYMILL_UPSTREAM_URL"] == (options.upstream or "")


def test_more_workers_means_more_generation_workers_with_ports_and_names_of_their_own() -> None:
    workers = [
        spec
        for group in build_table(replace(OPTIONS, workers=3))
        for spec in group
        if spec.name.startswith("worker-generation")
    ]
    assert [worker.name for worker in workers] == [f"worker-generation-{number}" for number in (1, 2, 3)]
    assert len({worker.port for worker in workers}) == 3
    assert len({worker.command[worker.command.index("-n") + 1] for worker in workers}) == 3


def test_the_engine_learns_nothing_of_the_platform() -> None:
    engine = build_table(OPTIONS)[0][0]
    platform_variables = {"STORYMILL_DATABASE_URL", "STORYMILL_REDIS_URL"}
    assert platform_variables.isdisjoint(engine.environment)


def test_options_survive_the_way_through_a_command_line() -> None:
    options = UpOptions(Path("/state"), 1, 2, 3, "http://up/v1", with_engine=False)
    assert options.to_arguments() == [
        *("--state-dir", "/state", "--gateway-port", "1", "--streaming-port", "2"),
        *("--workers", "3", "--upstream", "http://up/v1", "--no-engine"),
    ]


def find_engine_environment(root: Path, model: str | None) -> dict[str, str]:
    options = replace(OPTIONS, state_dir=root, model=model)
    state = StateDir(root)
    environment = build_environment(options, state, STORES, ADDRESSES)
    return build_services(options, state, environment, ADDRESSES)[0][0].environment


def test_the_engine_serves_the_kept_model_and_for_one_run_another(tmp_path: Path) -> None:
    assert "STORYMILL_ENGINE_MODEL" not in find_engine_environment(tmp_path, None)
    keep_engine_model(tmp_path, EngineModel("/models/own", "mine"))
    kept = find_engine_environment(tmp_path, None)
    assert (kept["STORYMILL_ENGINE_MODEL"], kept["STORYMILL_ENGINE_MODEL_NAME"]) == ("/models/own", "mine")
    other = find_engine_environment(tmp_path, "/models/other")
    assert (other["STORYMILL_ENGINE_MODEL"], other["STORYMILL_ENGINE_MODEL_NAME"]) == ("/models/other", "")


def test_a_kept_model_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "engine-model.json").write_text("{")
    with pytest.raises(StateDirError, match="storymill models add"):
        find_engine_environment(tmp_path, None)


def test_the_model_of_a_run_is_among_its_arguments() -> None:
    assert replace(OPTIONS, model="/models/own").to_arguments()[-2:] == ["--model", "/models/own"]
