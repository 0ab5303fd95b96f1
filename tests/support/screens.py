"""What each main command prints, on every kind of terminal, from fixed data.

`python -m tests.support.screens` writes tests/fixtures/screens anew (`make screens`): read the difference before you
commit it. `python -m tests.support.screens NAME` prints one terminal's screens."""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from storymill.cli import app
from storymill.cli.terminal import accept_every_encoding, console
from storymill.client.rest import Api
from tests.support.screen_commands import COMMANDS, NOW, STILLS
from tests.support.stack import PROJECT_ROOT
from tests.support.told_mill import told_mill

SCREENS: Final = PROJECT_ROOT / "tests" / "fixtures" / "screens"
ANSWERS: Final = SCREENS / "answers.json"
CODE: Final = re.compile(r"\x1b\[(?P<numbers>[?\d;]*)(?P<kind>[A-Za-z])")
PART: Final = re.compile(r"(\x1b\[[?\d;]*[A-Za-z]|[\r\n])")
COLOUR: Final = re.compile(r"\x1b\[(?:\d+;)*(?:3|9)\d")


WATCHING: Final = (
    "storymill generate ",
    "storymill fine-tune ",
    "storymill datasets prepare",
    "storymill batches watch",
)


@dataclass(frozen=True)
class TerminalKind:
    """What a command prints to."""

    columns: int
    is_terminal: bool = True
    has_colour: bool = False
    encoding: str = "utf-8"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say so."""
        colour = {"FORCE_COLOR": "1", "COLORTERM": "truecolor"} if self.has_colour else {"NO_COLOR": "1"}
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **inherited,
            **colour,
            "COLUMNS": str(self.columns),
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "PYTHONUTF8": "1",
            "PYTHONPATH": str(PROJECT_ROOT),
        }


KINDS: Final = {
    "80": TerminalKind(80),
    "100": TerminalKind(100),
    "200": TerminalKind(200),
    "pipe": TerminalKind(80, is_terminal=False),
    "ascii": TerminalKind(80, encoding="ascii"),
    "colour": TerminalKind(80, has_colour=True),
}
KEPT: Final = ("80", "100", "200", "pipe", "ascii")
"""Terminals whose screens are files. Colour is no file of its own: without its codes it is that of 80 columns."""


class Paper(io.TextIOWrapper):
    """Standard output and error of a command, kept as they come."""

    def __init__(self, kind: TerminalKind) -> None:
        self._bytes = io.BytesIO()
        self._is_terminal = kind.is_terminal
        super().__init__(self._bytes, encoding=kind.encoding, write_through=True)

    def isatty(self) -> bool:
        """Say whether a person sits before it."""
        return self._is_terminal

    def read_all(self) -> str:
        """Return what was written."""
        return self._bytes.getvalue().decode(self.encoding)


class ScriptedClock:
    """Time that passes only while a command sleeps: nobody can tell how often it looks at the clock."""

    def __init__(self) -> None:
        self._now = NOW

    def look(self) -> float:
        """Return the moment."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


@contextmanager
def scripted_time() -> Iterator[None]:
    """Have this process see the same moments in every run. Nobody asks a clock of ours: it is the system's."""
    clock = ScriptedClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock.look)
        patch.setattr(time, "monotonic", clock.look)
        patch.setattr(time, "sleep", clock.sleep)
        patch.setattr(console, "get_time", clock.look)
        yield


def draw_screens(kind: TerminalKind) -> Iterator[tuple[str, str]]:
    """Yield each command with what it leaves on the terminal of this process; last, whether there were colours."""
    written = []
    with told_mill(ANSWERS) as (address, answers), TemporaryDirectory() as folder, chdir(folder):
        Path("data").symlink_to(PROJECT_ROOT / "data")
        os.environ.update({"STORYMILL_BASE_URL": address, "STORYMILL_API_KEY": "sm_shown"})
        for title, show in list_shows(address):
            answers.begin(is_watched=title.startswith(WATCHING))
            written.append(write_to_paper(show, kind))
            yield title, settle_screen(written[-1])
    yield "(colours)", f"{'some' if COLOUR.search(''.join(written)) else 'none'}\n"


def list_shows(address: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what is shown, each by its name: commands as they are typed, then views of what is under way."""
    for words in COMMANDS:
        yield f"storymill {' '.join(words)}", partial(run_command, words)
    with Api(address, "sm_shown") as api:
        for title, still in STILLS.items():
            yield title, partial(still, api)


def write_to_paper(show: Callable[[], None], kind: TerminalKind) -> str:
    """Return what is written to a terminal, its codes included."""
    paper = Paper(kind)
    with redirect_stdout(paper), redirect_stderr(paper), scripted_time():
        accept_every_encoding()
        show()
    return paper.read_all()


def run_command(words: tuple[str, ...]) -> None:
    """Run `storymill …` in this process; an error is shown as the command shows it."""
    try:
        app(list(words))
    except SystemExit as ended:
        if ended.code:
            print(f"(exit status {ended.code})")


def settle_screen(written: str) -> str:
    """Return the lines that remain after every return, erasure and move of the cursor."""
    lines, row, column = [""], 0, 0
    for part in PART.split(written):
        code = CODE.fullmatch(part or "")
        if code is not None:
            if code["kind"] == "A":
                row = max(0, row - int(code["numbers"] or 1))
            elif code["kind"] == "K":
                lines[row] = ""
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def draw_elsewhere(name: str) -> str:
    """Return the screens of a terminal, drawn by a process that has it."""
    command = [sys.executable, "-m", "tests.support.screens", name]
    ran = subprocess.run(
        command, cwd=PROJECT_ROOT, env=KINDS[name].environment, capture_output=True, encoding="utf-8", check=False
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    return ran.stdout


def find_file(name: str) -> Path:
    """Return where a terminal's screens are kept."""
    return SCREENS / f"{name}.txt"


def main() -> None:
    """Write every file, or print one terminal's screens."""
    if len(sys.argv) > 1:
        kind = KINDS[sys.argv[1]]
        for title, screen in draw_screens(kind):
            sys.stdout.write(f"$ {title}\n{screen}\n")
        return
    for name in KEPT:
        find_file(name).write_text(draw_elsewhere(name), encoding="utf-8")
        print(f"wrote {find_file(name).relative_to(PROJECT_ROOT)}")


if __name__ == "__main__":
    main()
