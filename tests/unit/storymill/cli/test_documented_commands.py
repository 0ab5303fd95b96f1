"""What README and docs/ tell people to type exists: every command, every option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from storymill.cli import app
from tests.support.stack import PROJECT_ROOT

PAGES = sorted(
    [PROJECT_ROOT / "README.md", *(PROJECT_ROOT / "docs").glob("*.md"), *(PROJECT_ROOT / "data").rglob("*.md")]
)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(?:\.venv/bin/)?(storymill [^`\n]+)`")
TYPED = re.compile(r"^(?:\$ )?(?:.*&& )?(?:\S*/)?(storymill .+)$", re.MULTILINE)
INSIDE = re.compile(r"\$\((storymill [^()]+)\)")
"""A command whose output is put into another."""
TABLE_OPTION = re.compile(r"`(--[a-z-]+)")
OPTION_TABLES = {
    "datasets.md": "storymill datasets prepare",
    "fine-tuning.md": "storymill fine-tune",
    "operators.md": "storymill up",
}


def list_commands(page: Path) -> Iterator[str]:
    """Yield each command line of a page; a line that goes on is one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for block in FENCED.findall(text):
        yield from INSIDE.findall(block)
        yield from TYPED.findall(INSIDE.sub("x", block))
    yield from INLINE.findall(FENCED.sub("", text))


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words lead to, and the words after it."""
    command: Any = get_command(app)
    rest = words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def list_options(command: Any) -> set[str]:
    """Return the options that a command takes, with those of all."""
    own = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return own | {"--help", "--base-url"}


def find_mistake(line: str) -> str | None:
    """Return what is wrong with a command line, None for nothing."""
    typed = re.split(r"\s+#\s|\s+\|\s", line)[0].replace("…", "x")
    words = shlex.split(typed)
    command, rest = find_command(words)
    if hasattr(command, "commands"):
        names = [word for word in rest if not word.startswith("-") and word not in {"x", "|"}]
        return f"there is no command {names[0]}" if names and re.fullmatch(r"[a-z-]+", names[0]) else None
    given = {word.split("=")[0] for word in rest if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
    unknown = given - list_options(command)
    return f"no option {', '.join(sorted(unknown))}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT_ROOT).as_posix())
def test_every_command_and_option_of_a_page_exists(page: Path) -> None:
    mistakes = [(line, mistake) for line in list_commands(page) if (mistake := find_mistake(line))]
    assert mistakes == []


@pytest.mark.parametrize(("page", "command"), OPTION_TABLES.items())
def test_a_table_of_options_is_of_its_command(page: str, command: str) -> None:
    text = (PROJECT_ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `--")]
    told = {name for row in rows for name in TABLE_OPTION.findall(row)}
    assert told
    assert told - list_options(find_command(command.split())[0]) == set()


def test_a_mistake_is_found() -> None:
    assert find_mistake("storymill datasets prepare stories.csv --parity  # as it was") == "no option --parity"
    assert find_mistake("storymill tell me") == "there is no command tell"
    assert find_mistake("storymill fine-tunes list") is None


def test_a_command_inside_another_is_one_of_its_own(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nstorymill datasets prepare $(storymill generations list --idz) --local\n```\n", encoding="utf-8"
    )
    found = {line: find_mistake(line) for line in list_commands(page)}
    assert found == {
        "storymill generations list --idz": "no option --idz",
        "storymill datasets prepare x --local": None,
    }
