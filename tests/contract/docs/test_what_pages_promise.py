"""What tripped readers once stays mended: commands that stay, settings that count later, names that fail."""

import re
from pathlib import Path

import pytest

from tests.support.pages import Block, read_blocks
from tests.support.stack import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
PAGES = [PROJECT_ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
OF_CLIENTS = ("BASE_URL", "API_KEY", "STATE_DIR")
"""Variables that count in the very command."""
STAYS = re.compile(r"^(?:\$ )?(?:make up|(?:\S+=\S+ )*(?:\.venv/bin/)?storymill up(?!.*(?:--detach|-d\b)))\b")
SETTING = re.compile(rf"\bSTORYMILL_(?!(?:{'|'.join(OF_CLIENTS)})\b)\w+=")
STARTS = re.compile(r"storymill up|docker compose up")
REPLAYS = re.compile(r"--replay|\"replay\"")
MODEL = re.compile(r"(?:--model |model=\"|\"model\": \")(?P<name>[^\s\"]+)")
VIEWERS = {"W&B": "wandb", "MLflow": "mlflow", "Trackio": "trackio", "TensorBoard": "tensorboard"}
"""What each tracker is looked at with, by its package."""


def find_staying(blocks: list[Block]) -> list[str]:
    """Return the lines of blocks that run which would hold a reader's terminal."""
    return [line for block in blocks if block.runs for line in block.body.splitlines() if STAYS.match(line)]


def find_silent_settings(blocks: list[Block]) -> list[str]:
    """Return the lines that set what is read at a start, with neither a start on them or below nor a word of it."""
    found = []
    for block in blocks:
        lines = block.body.splitlines()
        for number, line in enumerate(lines):
            if SETTING.search(line) and not any(STARTS.search(later) for later in lines[number:]):
                found.append(line)
    return found


def find_replays_without_ancestors(blocks: list[Block]) -> list[str]:
    """Return the models of jobs with replay that are no tuned ones: those have nothing to replay."""
    asked = [line for block in blocks for line in re.split(r"\n(?=\S)", block.body) if REPLAYS.search(line)]
    names = [found["name"] for line in asked for found in MODEL.finditer(line)]
    return [name for name in names if not re.search(r"@|^ft:|^\$", name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_leaves_its_reader_no_trap(page: Path) -> None:
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    assert find_staying(blocks) == []
    assert find_silent_settings(blocks) == []
    assert find_replays_without_ancestors(blocks) == []


@pytest.mark.parametrize("line", ["make up", "storymill up", "STORYMILL_X=1 storymill up --workers 2"])
def test_a_command_that_stays_in_the_foreground_is_found(line: str) -> None:
    assert find_staying(read_blocks(f"```sh\n{line}\nstorymill status\n```\n")) == [line]
    assert find_staying(read_blocks(f"```sh\n{line.replace('make', 'storymill')} --detach\n```\n")) == []


def test_a_setting_without_its_moment_is_found() -> None:
    line = "export STORYMILL_TRACKERS=tensorboard"
    assert find_silent_settings(read_blocks(f"```sh\nstorymill up --detach\n{line}\n```\n")) == [line]
    assert find_silent_settings(read_blocks(f"```sh\n{line}\nstorymill up --detach\n```\n")) == []
    assert find_silent_settings(read_blocks(f"```sh\n{line} # counts at the next `storymill up`\n```\n")) == []


def test_a_replay_of_a_base_is_found() -> None:
    job = 'client.fine_tuning.jobs.create(\n    model="curie",\n    extra_body={"replay": {"share": 0.2}},\n)\n'
    assert find_replays_without_ancestors(read_blocks(f"```python\n{job}```\n")) == ["curie"]
    line = "storymill fine-tune ds_1 --model curie --replay 0.2\n"
    assert find_replays_without_ancestors(read_blocks(f"```sh\n{line}```\n")) == ["curie"]


@pytest.mark.parametrize("tracker", VIEWERS)
def test_a_tracker_is_looked_at_with_what_the_requirements_bring_or_the_page_says_where_it_is_from(
    tracker: str,
) -> None:
    required = (PROJECT_ROOT / "tests/contract/clients/requirements-trackers.txt").read_text(encoding="utf-8")
    row = re.search(rf"^\| {re.escape(tracker)} \|.*$", (DOCS / "operators.md").read_text(encoding="utf-8"), re.M)
    assert row is not None
    package = VIEWERS[tracker]
    assert re.search(rf"^{package}==", required, re.M) or f"`pip install {package}`" in row[0]
