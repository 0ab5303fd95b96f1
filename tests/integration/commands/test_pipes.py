"""In a pipe a command prints what it is for and nothing beside it, for programs every list and view in JSON."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from storymill.cli import app
from tests.support.screens import ANSWERS
from tests.support.stack import PROJECT_ROOT
from tests.support.told_mill import told_mill

LOOKS = frozenset({"list", "show", "status", "limits", "usage", "aliases", "tree", "forgetting", "events", "roi"})
"""Commands that only look, by their last word."""


def list_commands(group: TyperGroup, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Every command by its words."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from list_commands(command, (*above, name))
        elif isinstance(command, TyperCommand):
            yield (*above, name), command


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose output and errors go to pipes, against a mill that answers from a file."""
    with told_mill(ANSWERS) as (address, _):
        named = {"STORYMILL_BASE_URL": address, "STORYMILL_API_KEY": "sm_shown", **variables}
        command = [sys.executable, "-m", "storymill", *words]
        return subprocess.run(
            command, env={**os.environ, **named}, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
        )


def test_a_pipe_gets_the_text_alone() -> None:
    with told_mill(ANSWERS) as (_, answers):
        text = answers.find_text()
    done = run("stream", "秦,龙卷风,辛苦")
    assert (done.returncode, done.stdout) == (0, f"{text}\n")
    assert "sha256 checked" in done.stderr
    assert "storymill usage" in done.stderr


def test_an_address_without_its_path_is_understood() -> None:
    with told_mill(ANSWERS) as (address, _):
        bare = address.removesuffix("/v1")
        command = [sys.executable, "-m", "storymill", "models", "list", "--json", "--base-url", bare]
        key = {**os.environ, "STORYMILL_API_KEY": "sm_shown"}
        done = subprocess.run(command, env=key, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"id"' in done.stdout


def test_every_output_is_ascii_where_the_encoding_is() -> None:
    done = run("models", "list", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "gemma-3-270m" in done.stdout


@pytest.mark.parametrize(
    ("words", "following"),
    [
        (("models", "show", "nobody"), "storymill models list"),
        (("generations", "show", "gen_none"), "storymill generations list"),
        (("datasets", "prepare"), "storymill datasets prepare --help"),
        (("generate", "nowhere.json"), "storymill generate --help"),
    ],
    ids=" ".join,
)
def test_every_error_names_the_next_command(words: tuple[str, ...], following: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.endswith(f": {following}\n")


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("storymill ")


@pytest.mark.parametrize(
    ("words", "command"),
    [pair for pair in list_commands(typer.main.get_group(app)) if pair[0][-1] in LOOKS],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_list_and_view_comes_in_json(words: tuple[str, ...], command: TyperCommand) -> None:
    assert "--json" in {option for parameter in command.params for option in parameter.opts}, words
