"""`.ci/run` repeats what starved, says so, and lets nothing pass that is broken."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import PROJECT_ROOT

MAKEFILE = """
lint types imports:
	@true
test:
	@.venv/bin/python -m pytest -m "not slow" test_some.py $(ARGS)
test-slow:
	@.venv/bin/python -m pytest -m slow test_some.py $(ARGS)
"""
TESTS = """
import time
from pathlib import Path
import pytest

{broken}

@pytest.mark.parametrize("number", range({starving}))
def test_starves_once(number):
    seen = Path(f"seen{{number}}")
    was_there = seen.exists()
    seen.touch()
    assert was_there

def test_passes():
    assert True

@pytest.mark.slow
def test_slowly():
    assert {slow_holds}

@pytest.mark.slow
@pytest.mark.skipif(not {slow_lasts}, reason="only where it is cut off")
def test_lastingly():
    time.sleep(60)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with our script and our interpreter, and no tests yet."""
    shutil.copytree(PROJECT_ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / ".venv").symlink_to(PROJECT_ROOT / ".venv")
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    return tmp_path


def run_ci(
    project: Path,
    *,
    starving: int = 0,
    broken: str = "",
    slow_holds: bool | str = True,
    budget_seconds: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the script on tests of which so many fail the first time only."""
    text = TESTS.format(starving=starving, broken=broken, slow_holds=slow_holds, slow_lasts=budget_seconds is not None)
    (project / "test_some.py").write_text(text)
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS", "PYTEST"))
    }
    bare = {"CI": "true", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if budget_seconds is not None:
        bare["CI_BUDGET_SECONDS"] = str(budget_seconds)
    return subprocess.run(
        ["bash", ".ci/run"], cwd=project, env={**ours, **bare}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow  # what is repeated ends in them, too
def test_a_clean_run_ends_in_the_runners_closing_lines(project: Path) -> None:
    done = run_ci(project)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, said, usual, slow = done.stdout.splitlines()
    assert said == "No test was repeated."
    assert "1 passed" in usual
    assert "1 passed" in slow


def test_what_starved_is_repeated_and_named(project: Path) -> None:
    done = run_ci(project, starving=3)
    assert done.returncode == 0, done.stdout + done.stderr
    closing = done.stdout.partition("repeated by themselves:")[2]
    assert [f"test_starves_once[{number}]" in closing for number in range(4)] == [True, True, True, False]


STARVING_FIXTURE = """
@pytest.fixture(scope="module")
def shared():
    seen = Path("shared")
    was_there = seen.exists()
    seen.touch()
    assert was_there

@pytest.mark.parametrize("number", range(5))
def test_needs_it(number, shared):
    assert True
"""


def test_what_a_files_tests_share_starves_once(project: Path) -> None:
    done = run_ci(project, starving=2, broken=STARVING_FIXTURE)
    assert done.returncode == 0, done.stdout + done.stderr
    closing = done.stdout.partition("repeated by themselves:")[2]
    assert all(f"test_needs_it[{number}]" in closing for number in range(5))


def test_what_a_files_tests_share_counts_among_the_three(project: Path) -> None:
    done = run_ci(project, starving=3, broken=STARVING_FIXTURE)
    assert done.returncode != 0
    assert "8 tests failed; at most 3" in done.stdout


def test_more_than_three_are_not_repeated(project: Path) -> None:
    done = run_ci(project, starving=4)
    assert done.returncode != 0
    assert "4 tests failed; at most 3" in done.stdout
    assert "No test was repeated." in done.stdout


@pytest.mark.parametrize("broken", ["def test_broken():\n    assert False", "import no_such_module"])
def test_what_is_broken_fails_the_run(project: Path, broken: str) -> None:
    assert run_ci(project, broken=broken).returncode != 0


def test_a_broken_slow_test_fails_the_run(project: Path) -> None:
    assert run_ci(project, slow_holds=False).returncode != 0


STARVES_ONCE = "(seen := Path('seen')).exists() or seen.touch()"


def test_what_starved_before_the_slow_tests_were_cut_off_is_repeated(project: Path) -> None:
    done = run_ci(project, slow_holds=STARVES_ONCE, budget_seconds=12)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_slowly" in done.stdout.partition("repeated by themselves:")[2]
    assert "The slow tests were cut off" in done.stdout


@pytest.mark.slow
def test_what_broke_before_the_slow_tests_were_cut_off_fails_the_run(project: Path) -> None:
    assert run_ci(project, slow_holds=False, budget_seconds=12).returncode != 0


@pytest.fixture
def console(project: Path) -> Path:
    """A console in the project, built as committed: `1`. npm is there, and `make console` writes what `built` says."""
    dist = project / "services" / "gateway" / "console" / "dist"
    dist.mkdir(parents=True)
    (dist / "console.js").write_text("1\n")
    (project / "console").mkdir()
    (project / "built").write_text("1\n")
    with (project / "Makefile").open("a") as makefile:
        makefile.write(".PHONY: console\nconsole:\n\t@cp built services/gateway/console/dist/console.js\n")
    for words in (["init", "-q"], ["add", "services"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    npm = project / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    return project


def test_a_console_that_is_not_its_build_fails_the_run(console: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{console / 'bin'}:{os.environ['PATH']}")
    assert run_ci(console).returncode == 0
    (console / "built").write_text("2\n")
    done = run_ci(console)
    assert done.returncode != 0
    assert "is not the build of console/" in done.stdout
