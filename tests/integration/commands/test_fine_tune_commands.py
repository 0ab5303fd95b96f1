"""`storymill fine-tune` and `fine-tunes` as a person types them, against a mill whose engine really trains."""

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest

from tests.support.gateway import Mill
from tests.support.tuning_mill import BASE
from tests.support.typed_commands import TIMEOUT_SECONDS, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOB_ID = re.compile(r"ftjob-[0-9a-zA-Z]+")


@pytest.fixture
async def terminal(tuning_mill: Mill, tmp_path: Path) -> Terminal:
    """A terminal with a training and a validation file beside it."""
    rows = [{"prompt": f"唐{n} ->", "completion": f" 一位英雄{n * 7}。\n"} for n in range(14)]
    for name, part in (("train", rows[:12]), ("valid", rows[12:])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return Terminal(tuning_mill, await tuning_mill.key("commands"), tmp_path)


def find_job(text: str) -> str:
    """Return the job that a command tells of."""
    found = JOB_ID.search(text)
    assert found, text
    return found[0]


async def test_a_file_is_tuned_on_watched_and_its_results_are_shown(terminal: Terminal) -> None:
    files = (terminal.folder / "train.jsonl", "--validation", terminal.folder / "valid.jsonl")
    watched = await terminal.run("fine-tune", *files, "--model", BASE, "--suffix", "ultraman", "--epochs", "2")
    assert "2 epochs" in watched
    assert "succeeded after" in watched
    assert re.search(r"epochs = [\d,]+ \(", watched), watched
    assert re.search(r"[\d,]+ tokens trained of [\d,]+ estimated", watched), watched
    assert re.search(r"step \d+/24 .* training loss \d", watched), watched
    job = find_job(watched)
    assert job in await terminal.run("fine-tunes", "list")
    shown = await terminal.run("fine-tunes", "show", job)
    assert "succeeded" in shown
    assert not {"None", "beta", "{"} & set(re.findall(r"[\w{]+", shown)), shown
    assert "ckpt-step" in shown
    assert re.search(r"[\d,]+ tokens trained of [\d,]+ estimated", shown), shown
    assert "Fine-tuning job" in await terminal.run("fine-tunes", "events", job, "--follow")
    table = await terminal.run("fine-tunes", "results", job)
    assert table.startswith("step,elapsed_tokens,elapsed_examples,training_loss")
    assert len(table.split()) == 25
    target = terminal.folder / "curve.png"
    drawn = await terminal.run(
        *("fine-tunes", "results", job, "--plot", "--png", target, "--output", terminal.folder / "results.csv")
    )
    assert "validation loss" in drawn
    assert target.read_bytes().startswith(b"\x89PNG")
    assert (terminal.folder / "results.csv").read_text() == table


@pytest.mark.slow
async def test_leaving_a_job_does_not_end_it_and_it_can_be_steered(terminal: Terminal) -> None:
    started = await terminal.run(
        *("fine-tune", terminal.folder / "train.jsonl", "--model", BASE, "--epochs", "50", "--no-watch"),
        *("--batch-size", "2", "--learning-rate-multiplier", "0.3"),
    )
    job = find_job(started)
    watching = terminal.start("fine-tunes", "watch", job)
    assert watching.stdout is not None
    await asyncio.to_thread(watching.stdout.readline)
    watching.send_signal(signal.SIGINT)
    left, _ = await asyncio.to_thread(watching.communicate, timeout=TIMEOUT_SECONDS)
    assert watching.returncode == 130, left
    assert f"storymill fine-tunes watch {job}" in left
    await terminal.run("fine-tunes", "cancel", job)
    assert "cancelled after" in await terminal.run("fine-tunes", "watch", job)
    again = find_job(await terminal.run("fine-tunes", "retry", job))
    await terminal.run("fine-tunes", "cancel", again)
    other = find_job(await terminal.run("fine-tunes", "clone", job, "--epochs", "1", "--suffix", "short"))
    assert "succeeded after" in await terminal.run("fine-tunes", "watch", other)
    shown = await terminal.run("fine-tunes", "show", other)
    assert "supervised: 1 epoch, batch size 2, " in shown
    assert "learning rate multiplier 0.3" in shown
    assert len({job, again, other}) == 3


async def test_what_cannot_be_tuned_on_is_said_plainly(terminal: Terminal) -> None:
    (terminal.folder / "stories.csv").write_text("prompt,completion\na,b\n")
    raw = await terminal.run("fine-tune", terminal.folder / "stories.csv", "--model", BASE, status=1)
    assert "storymill datasets prepare" in raw
    missing = await terminal.run("fine-tune", terminal.folder / "none.jsonl", "--model", BASE, status=1)
    assert "There is no file" in missing
    foreign = await terminal.run("fine-tunes", "show", "ftjob-0123456789", status=1)
    assert "ftjob-0123456789" in foreign
    assert "Traceback" not in raw + missing + foreign
