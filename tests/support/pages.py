"""Runs a page of the documentation as its reader would: every block in order, by one shell, in a folder of its own.

How a block is run is told by its language: `sh` as it stands; `console` by the lines after `$ `, whose output is what
stands below them; `python` as a program of its own. A comment on the line before it says otherwise:
`<!-- file: NAME -->` it is written to that file; `<!-- not run: WHY -->` it stays out."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from storymill.launcher.options import DEFAULT_GATEWAY_PORT, DEFAULT_STREAMING_PORT
from storymill.launcher.ports import is_port_free
from tests.support.stack import PROJECT_ROOT

BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<mark>file|not run): (?P<word>.+?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
DRAWINGS: Final = {"mermaid"}
RUNNABLE: Final = {"sh", "console", "python"}
SCRATCH: Final = ".page"
"""Where the runner keeps what it needs, inside the reader's folder."""
MOST_SECONDS: Final = 1500
"""Of a page on this machine."""
FROM_THE_CHECKOUT: Final = ("data", "tests", "docs", "Makefile")
LEFT_OUT: Final = "…"
STORY: Final = "文"
"""Stands for whatever a model wrote."""
VOLATILE: Final = (
    (re.compile(r"\b(?:gen|ds|rec|story|dsv|cmp|str|eval|key)_[0-9a-f]+|\b(?:ftjob|file)-\w+|\bft:[\w.:@-]*\w"), "ID"),
    (re.compile(r"\d[\d,.:]*\d|\d"), "0"),
    (re.compile(r"[━╸]+"), ""),
    (re.compile(r"\((?:0% (?:less|more)|as expected)\)"), "(AS FAR OFF)"),
    (re.compile(r" · (?:waiting|held)\b[^·]*$"), ""),
    (re.compile(r"[“”‘’—　-〿㐀-鿿！-￮][…“”‘’—　-〿㐀-鿿！-￮]*"), STORY),
    (re.compile(r"[ \t]+"), " "),
)
"""What differs from run to run: ids, numbers, bars, how far an estimate was off, what a run waits for, stories, the
widths of columns."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    body: str
    mark: str | None
    word: str | None

    @property
    def is_told_how(self) -> bool:
        """Whether it runs, is a drawing, or says why it does not run."""
        return self.mark is not None or self.language in RUNNABLE | DRAWINGS

    @property
    def runs(self) -> bool:
        """Whether the runner does something with it."""
        return self.mark == "file" or (self.mark is None and self.language in RUNNABLE)


@dataclass(frozen=True)
class Shown:
    """A command of a page with the output below it."""

    line: int
    command: str
    output: str


def read_blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    return [
        Block(page.count("\n", 0, found.start("body")), found["language"], found["body"], found["mark"], found["word"])
        for found in BLOCK.finditer(page)
    ]


def read_shown(block: Block) -> Iterator[Shown]:
    """Yield the commands of a `console` block; one that ends in a backslash goes on."""
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        found = re.match(r"(?P<command>(?:[^\n]*\\\n)*[^\n]*\n)(?P<output>.*)", part, re.DOTALL)
        assert found is not None
        yield Shown(block.line, found["command"], found["output"])


class PageRun:
    """One page in one folder. `environment` stands for the machine that the reader sits at."""

    def __init__(self, page: Path, folder: Path, environment: dict[str, str]) -> None:
        self._blocks = [block for block in read_blocks(page.read_text(encoding="utf-8")) if block.runs]
        self._page = page
        self._folder = folder
        self._shown: dict[Path, Shown] = {}
        unwanted = ("STORYMILL_", "OPENAI_")
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
        self._environment = {**inherited, "HOME": str(folder), "COLUMNS": "100", **environment}

    def prepare(self) -> None:
        """Lay the folder out like a checkout with its environment, and nothing else."""
        (self._folder / SCRATCH).mkdir(parents=True)
        for name in FROM_THE_CHECKOUT:
            (self._folder / name).symlink_to(PROJECT_ROOT / name)
        (self._folder / ".venv").symlink_to(sys.prefix)

    def run(self, timeout_seconds: float) -> None:
        """Run every block; afterwards everything is stopped. Raises: AssertionError with line and output."""
        self.prepare()
        script = self._folder / SCRATCH / "page.sh"
        script.write_text(self._write_script(), encoding="utf-8")
        try:
            done = self._call(["bash", str(script)], timeout_seconds)
        finally:
            self._call([f"{sys.prefix}/bin/storymill", "down"], 120)
        assert done.returncode == 0, f"{self._page.name}:\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"

    def find_differences(self) -> list[str]:
        """Return each command whose output is not what the page shows, with both."""
        return [
            f"{self._page.name}, line {shown.line}: $ {shown.command}shown:\n{shown.output}\nprinted:\n{printed}"
            for file, shown in self._shown.items()
            if shown.output.strip() and not is_alike(shown.output, printed := file.read_text(encoding="utf-8"))
        ]

    def remake(self) -> str:
        """Return the page with the outputs of this run in place of those that it shows."""
        page = self._page.read_text(encoding="utf-8")
        lines = page.splitlines(keepends=True)
        for file, shown in sorted(self._shown.items(), key=lambda pair: pair[1].line, reverse=True):
            if shown.output.strip():
                before = f"$ {shown.command}{shown.output}"
                body = "".join(lines[shown.line :])
                after = f"$ {shown.command}{fit_output(shown.output, file.read_text(encoding='utf-8'))}"
                lines[shown.line :] = body.replace(before, after, 1).splitlines(keepends=True)
        return "".join(lines)

    def _call(self, command: list[str], timeout_seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def _write_script(self) -> str:
        lines = ["set -euo pipefail", "trap 'echo \"the block at line $LINE_OF_PAGE failed\" >&2' ERR"]
        for block in self._blocks:
            lines += [f"LINE_OF_PAGE={block.line}", *self._write_block(block)]
        return "\n".join(lines) + "\n"

    def _write_block(self, block: Block) -> Iterator[str]:
        scratch = self._folder / SCRATCH
        if block.mark == "file":
            (scratch / f"{block.line}").write_text(block.body, encoding="utf-8")
            yield f'mkdir -p "$(dirname {block.word})" && cp {SCRATCH}/{block.line} {block.word}'
        elif block.language == "python":
            (scratch / f"{block.line}.py").write_text(block.body, encoding="utf-8")
            yield f"python3 {SCRATCH}/{block.line}.py"
        elif block.language == "console":
            for number, shown in enumerate(read_shown(block)):
                file = scratch / f"{block.line}.{number}.out"
                self._shown[file] = shown
                yield f"{{ {shown.command}}} > {SCRATCH}/{file.name} 2>&1 || {{ cat {SCRATCH}/{file.name}; false; }}"
        else:
            yield block.body


def fit_output(shown: str, printed: str) -> str:
    """Return the lines of an output that take the place of those shown: all, or so many from its beginning and its end
    as stand before and after `…`. An output with `…` at several places, or inside a line, is an author's: it stays."""
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    kept = shown.rstrip().splitlines()
    if kept.count(LEFT_OUT) > 1 or any(LEFT_OUT in line for line in kept if line != LEFT_OUT):
        return shown
    if LEFT_OUT in kept:
        head = kept.index(LEFT_OUT)
        tail = len(kept) - head - 1
        lines = [*lines[:head], LEFT_OUT, *lines[len(lines) - tail :]]
    return "".join(f"{line}\n" for line in lines)


def is_alike(shown: str, printed: str) -> bool:
    """Say whether an output is the one that a page shows: `…` stands for what is left out, on a line of its own for
    any number of lines; ids, numbers, stories and spaces may differ."""
    pattern = "".join(
        r"(?:.*\n)*" if line == LEFT_OUT else rf"{re.escape(line).replace(LEFT_OUT, '.*')}\n"
        for line in settle_all(shown)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in settle_all(printed))) is not None


def settle_all(output: str) -> list[str]:
    """Return the lines of an output without what differs from run to run; the paragraphs of a story are one line."""
    settled: list[str] = []
    for line in map(settle, output.rstrip().splitlines()):
        if not (line in {"", STORY} and settled and settled[-1] == STORY):
            settled.append(line)
    return settled


def settle(line: str) -> str:
    """Return a line without what differs from run to run."""
    for volatile, stand_in in VOLATILE:
        line = volatile.sub(stand_in, line)
    return re.sub(rf"{STORY}[{STORY}0 ]*", STORY, line).strip()


def choose_ports() -> dict[str, str]:
    """Return the variables for a mill's ports: the usual ones where they are free, as a reader has them."""
    usual = {"STORYMILL_GATEWAY_PORT": DEFAULT_GATEWAY_PORT, "STORYMILL_STREAMING_PORT": DEFAULT_STREAMING_PORT}
    return {name: "0" for name, port in usual.items() if not is_port_free(port)}


def main() -> None:
    """Run the pages named, and write what they print into them: `make pages PAGES=docs/tour.md`."""
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        with TemporaryDirectory(prefix="storymill-page-") as folder:
            run = PageRun(page, Path(folder) / "reader", choose_ports())
            started_at = time.monotonic()
            run.run(MOST_SECONDS)
            page.write_text(run.remake(), encoding="utf-8")
        print(f"{name}: remade in {time.monotonic() - started_at:.0f} s")


if __name__ == "__main__":
    main()
