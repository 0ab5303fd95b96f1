"""Each command ends by naming the next one, which exists; and each has screens that somebody has read."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from storymill.cli import app
from storymill.cli.next_steps import (
    FIRST_RECIPE,
    after_batch,
    after_comparison,
    after_dataset,
    after_job,
    after_newest,
    after_recipe,
    after_run,
    after_story,
)
from tests.support.screen_commands import COMMANDS, STILLS
from tests.support.screens import KEPT, find_file
from tests.unit.storymill.cli.test_documented_commands import find_mistake

WITHOUT_SCREEN = {
    "console": "prints a link and nothing else",
    "demo": "a film of the others, a test of its own runs it whole",
    "down": "stops processes: the tour shows what it prints",
    "keys create": "prints a secret, made by the gateway on its database",
    "keys list": "asks the database",
    "keys revoke": "asks the database",
    "logs": "prints what processes write",
    "models probe": "loads a model: its report is the engine's, with golden records there",
    "secrets rotate": "re-seals what the database holds",
    "supervise": "hidden: `up --detach` runs it",
}
ENDS_OTHERWISE = {
    "fine-tunes results": "without --plot it is CSV",
    "limits": "what changes a limit is a setting, which stands in its line",
    "recipes show": "is JSON, ready for `recipes add`",
}
NAMED = re.compile(r"(?:^|: )(storymill .+?)(?: \(.*\))?$")
UNDER_WAY = "(under way)"


def list_commands(group: Any, path: str = "") -> Iterator[str]:
    """Yield every command of the app by its words."""
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        yield from list_commands(command, words) if hasattr(command, "commands") else [words]


def command_of(title: str) -> str:
    """Return the command that a screen is of."""
    words = title.removeprefix("storymill ")
    return max((name for name in list_commands(get_command(app)) if f"{words} ".startswith(f"{name} ")), key=len)


def test_every_command_has_screens_or_says_why_not() -> None:
    shown = {command_of(" ".join(words)) for words in COMMANDS} | {command_of(title) for title in STILLS}
    assert set(list_commands(get_command(app))) - shown == set(WITHOUT_SCREEN)


@pytest.mark.parametrize("name", KEPT)
def test_every_screen_ends_by_naming_a_command_that_exists(name: str) -> None:
    found = re.split(r"^\$ (storymill .*)\n", find_file(name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    silent, mistaken = set(), []
    for title, screen in zip(found[::2], found[1::2], strict=True):
        lines = [line for line in screen.split("\n$ ")[0].splitlines() if line and not line.startswith("(exit")]
        last = NAMED.search(lines[-1]) if UNDER_WAY not in title else None
        if last is None and UNDER_WAY not in title:
            silent.add(command_of(title))
        elif last is not None and (mistake := find_mistake(last[1].replace("|", "-"))):
            mistaken.append((title, last[1], mistake))
    assert silent == set(ENDS_OTHERWISE)
    assert mistaken == []


COUNTS = {"total": 3, "succeeded": 2, "failed": 1}


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (after_newest([], after_recipe, FIRST_RECIPE), "recipes add data/recipes/ultraman.json"),
        (after_newest([{"name": "my heroes"}], after_recipe, FIRST_RECIPE), "generate 'my heroes' --limit 24"),
        (after_run({"id": "gen_1", "status": "queued", "counts": COUNTS}), "generations watch gen_1"),
        (after_run({"id": "gen_1", "status": "paused", "counts": COUNTS}), "generations resume gen_1"),
        (after_run({"id": "gen_1", "status": "cancelled", "counts": COUNTS}), "datasets prepare gen_1"),
        (
            after_run({"id": "gen_1", "status": "failed", "counts": {**COUNTS, "succeeded": 0}}),
            "stories list --generation gen_1",
        ),
        (after_story({"id": "s", "status": "queued", "generation_id": "gen_1"}), "generations show gen_1"),
        (after_dataset({"id": "ds_1", "status": "failed"}), "datasets prepare FILE|RUN"),
        (after_dataset({"id": "ds_1", "status": "queued"}), "datasets show ds_1"),
        (after_batch({"id": "b", "status": "validating"}), "batches watch b"),
        (after_batch({"id": "b", "status": "failed"}), "batches create FILE"),
    ],
)
def test_what_comes_next_is_told_by_the_state(step: tuple[str, str], command: str) -> None:
    assert step[1] == f"storymill {command}"


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"status": "queued"}, "fine-tunes watch j"),
        ({"status": "paused"}, "fine-tunes resume j"),
        ({"status": "cancelled"}, "fine-tunes retry j"),
        ({"status": "succeeded", "fine_tuned_model": "ft:m"}, "models promote hero@prod ft:m"),
        ({"status": "succeeded", "fine_tuned_model": "ft:m", "suffix": None}, "models promote NAME@prod ft:m"),
        ({"status": "succeeded", "fine_tuned_model": "ft:m", "model": "a@b"}, "models promote a@b ft:m"),
    ],
)
def test_a_job_leads_to_its_models_name(changes: dict[str, Any], command: str) -> None:
    job = {"id": "j", "model": "curie", "suffix": "hero", "fine_tuned_model": None, **changes}
    assert after_job(job)[1] == f"storymill {command}"


def test_only_a_better_model_is_offered_the_name() -> None:
    found = {"id": "cmp_1", "model": "ft:m", "result": {"wins": 1, "losses": 2}}
    assert after_comparison(found)[1] == "storymill fine-tune DATASET --model ft:m --replay 0.2"
