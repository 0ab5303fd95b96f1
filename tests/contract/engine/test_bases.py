"""A folder whose base is not what it says, or no longer what it was: nothing is answered in its name."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from tests.contract.engine.test_fine_tuning_client import completion_lines, supervised, upload, wait_for_end
from tests.support.engine_process import EngineProcess
from tests.support.live_engine import LiveEngine
from tests.support.tiny_model import build_tiny_model
from tests.support.tiny_models.build import build_family

REPOSITORY = Path(__file__).parents[3]
BASE = "base"
StartEngine = Callable[[], EngineProcess]


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[StartEngine]:
    started: list[EngineProcess] = []

    def start() -> EngineProcess:
        started.append(EngineProcess(tmp_path / BASE, tmp_path / "state"))
        return started[-1]

    yield start
    for engine in started:
        engine.stop()


def connect(engine: EngineProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=engine.base_url, api_key="unused", max_retries=0)


def replace_base(folder: Path, seed: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    build_tiny_model(folder, seed=seed)


def create_job(client: openai.OpenAI, epochs: int) -> str:
    file = upload(client, completion_lines(20))
    return client.fine_tuning.jobs.create(
        model=BASE, training_file=file, method=supervised(n_epochs=epochs, batch_size=1)
    ).id


def write(client: openai.OpenAI, model: str) -> str:
    return client.completions.create(model=model, prompt="a", max_tokens=8, temperature=0).choices[0].text


@pytest.mark.parametrize(("family", "reason"), [("bert", "looks at the words to come"), ("lfm2", "layers of kind")])
def test_a_base_that_cannot_be_served_ends_the_engine_with_one_sentence(
    tmp_path: Path, family: str, reason: str
) -> None:
    folder = build_family(family, tmp_path / family)
    command = [sys.executable, "-m", "services.engine", "--port", "0", "--state-dir", str(tmp_path / "state")]
    ended = subprocess.run(
        [*command, "--model", str(folder)], cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("error: The model")
    assert reason in last
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_the_probe_says_the_same_without_an_engine(tmp_path: Path) -> None:
    def probe(family: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "services.engine.admission", str(build_family(family, tmp_path / family))]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)

    good, bad = probe("mixtral"), probe("mamba")
    assert good.returncode == 0
    assert "tunes         k_proj, o_proj, q_proj, v_proj" in good.stdout
    assert bad.returncode == 1
    assert bad.stderr.strip().splitlines()[-1].startswith("refused: The model has layers of kind")


def test_a_second_engine_on_the_same_state_folder_is_refused(engine: LiveEngine, tiny_folder: Path) -> None:
    command = [sys.executable, "-m", "services.engine", "--port", "0", "--state-dir", str(engine.state_dir)]
    ended = subprocess.run(
        [*command, "--model", str(tiny_folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert f"Another engine (process {engine.process.pid}) uses the state folder" in ended.stderr
    assert httpx2.get(f"{engine.url}/readyz").status_code == 200


@pytest.mark.slow
def test_a_model_is_not_served_on_another_base_of_the_same_name(tmp_path: Path, start_engine: StartEngine) -> None:
    replace_base(tmp_path / BASE, seed=0)
    engine = start_engine()
    client = connect(engine)
    model = wait_for_end(client, create_job(client, epochs=1)).fine_tuned_model
    assert model is not None
    before = write(client, model)
    engine.stop()
    replace_base(tmp_path / BASE, seed=9)
    engine = start_engine()
    client = connect(engine)
    write(client, BASE)  # the base itself is served
    with pytest.raises(openai.NotFoundError, match=r"another base of the same name \(other weights") as caught:
        write(client, model)
    assert caught.value.code == "model_unavailable"
    listed = {one.id: one for one in client.models.list()}
    assert listed[model].status == "unavailable"  # type: ignore[attr-defined]
    with pytest.raises(openai.NotFoundError):
        client.fine_tuning.jobs.create(model=model, training_file=upload(client, completion_lines(20)))
    engine.stop()
    replace_base(tmp_path / BASE, seed=0)
    assert write(connect(start_engine()), model) == before


@pytest.mark.slow
def test_a_job_does_not_go_on_at_another_base(tmp_path: Path, start_engine: StartEngine) -> None:
    replace_base(tmp_path / BASE, seed=0)
    engine = start_engine()
    job_id = create_job(connect(engine), epochs=50)
    engine.kill()
    replace_base(tmp_path / BASE, seed=9)
    client = connect(start_engine())
    job = wait_for_end(client, job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.code == "base_refused"
    assert "now holds" in job.error.message
    assert job.fine_tuned_model is None
