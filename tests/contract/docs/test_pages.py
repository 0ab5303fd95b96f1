"""README and docs/ are stories that can be typed: every block runs in order from nothing, and prints what is shown."""

import json
from pathlib import Path

import pytest

from services.engine.settings import BUILT_IN_MODEL
from tests.support.pages import MOST_SECONDS, PageRun, fit_output, is_alike, read_blocks
from tests.support.stack import PROJECT_ROOT
from tests.support.tiny_model import build_tiny_model

DOCS = PROJECT_ROOT / "docs"
PAGES = [PROJECT_ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
FAST = {"clients.md"}
"""Run by every `make test`: they start no mill. So is docs/api.md, by a test of its own with a scripted provider."""
ON_THE_REAL_MODEL = {"tour.md"}
"""Its stories are shown, and all is as its reader has it. The others have a tiny random model under the same names:
what they show is what commands say of it."""
ELSEWHERE = {"api.md"}


def name_of(page: Path) -> str:
    return page.name


def list_stories() -> list[object]:
    """Return the pages that have something to run, each with its tier."""
    found = []
    for page in PAGES:
        if page.name in ELSEWHERE or not any(block.runs for block in read_blocks(page.read_text(encoding="utf-8"))):
            continue
        marks = [] if page.name in FAST else [pytest.mark.slow]
        marks += [pytest.mark.real_model] if page.name in ON_THE_REAL_MODEL else []
        found.append(pytest.param(page, id=page.name, marks=marks))
    return found


@pytest.fixture(scope="module")
def tiny_engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables that give a mill a tiny random model, under the names of the shipped one."""
    folder = tmp_path_factory.mktemp("engine")
    return {
        "STORYMILL_ENGINE_MODEL": str(build_tiny_model(folder / "tiny", context_length=4096)),
        "STORYMILL_ENGINE_MODEL_NAME": BUILT_IN_MODEL,
        "STORYMILL_ENGINE_SHIPPED_ADAPTERS_DIR": str(folder),
        "STORYMILL_ENGINE_ALIASES": json.dumps(
            dict.fromkeys(["text-davinci-003", "storyteller", "curie"], BUILT_IN_MODEL)
        ),
        "STORYMILL_ENGINE_CONTEXT_LENGTH": "4096",
        "STORYMILL_ENGINE_THREADS": "1",
        "STORYMILL_ENGINE_TRAINING_NICENESS": "0",
        "STORYMILL_WORKER_PREPARATION_NICENESS": "0",  # or the page waits for all other tests
    }


@pytest.mark.timeout(MOST_SECONDS + 200)
@pytest.mark.parametrize("page", list_stories())
def test_a_page_runs_from_a_fresh_start(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    engine = {} if page.name in ON_THE_REAL_MODEL | FAST else request.getfixturevalue("tiny_engine")
    ports = {"STORYMILL_GATEWAY_PORT": "0", "STORYMILL_STREAMING_PORT": "0"}
    run = PageRun(page, tmp_path / "reader", {**engine, **ports})
    run.run(MOST_SECONDS)
    assert run.find_differences() == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    untold = [f"line {block.line}: ```{block.language}" for block in blocks if not block.is_told_how]
    assert untold == []


def test_an_output_is_compared_but_for_what_varies() -> None:
    shown = "job ftjob-1: succeeded after 3:05\n…\nmodel: ft:a:b, costs $1.50\n"
    printed = "job ftjob-99ab: succeeded after 12:00\nmore\n\nand more\nmodel: ft:c:d:e, costs $0.25\n"
    assert is_alike(shown, printed)
    assert not is_alike(shown, printed.replace("succeeded", "failed"))
    assert not is_alike(shown, printed + "one line more\n")


def test_a_story_may_have_other_paragraphs() -> None:
    shown = "宋朝的岳飞，\n\n他说：“走！”\n\n打败了怪兽。\n187 tokens · finish: stop\n"
    assert is_alike(shown, "从前有3位英雄……\n\n他们走了。\n95 tokens · finish: stop\n")
    assert not is_alike(shown, "송나라의 영웅\n95 tokens · finish: stop\n")


def test_how_far_off_an_estimate_was_and_what_a_run_waits_for_may_differ() -> None:
    shown = "1/12 stories · 11 in flight\n9 tokens trained of 9 estimated (as expected) · 5:19 for 7:49 (32% less)\n"
    printed = "3/12 stories · 9 in flight · held by the limit of calls at a time\n"
    printed += "9 tokens trained of 8 estimated (12% more) · 1:19 for 1:19 (as expected)\n"
    assert is_alike(shown, printed)
    assert not is_alike(shown, printed.replace("estimated", "guessed"))


def test_an_output_is_made_anew_as_the_page_shows_it() -> None:
    printed = "job ftjob-9\nstep 1\nstep 2\nsucceeded\nmodel: ft:a\n\n"
    assert fit_output("?\n", printed) == printed.rstrip() + "\n"
    assert fit_output("?\n…\n?\n?\n", printed) == "job ftjob-9\n…\nsucceeded\nmodel: ft:a\n"
    assert fit_output("…\nan author's\n…\n", printed) == "…\nan author's\n…\n"


def test_a_page_gets_the_outputs_of_its_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n```console\n$ A=7; echo one\n$ echo $A\n?\n$ seq 3; echo end\n?\n…\n?\n```\nText\n", encoding="utf-8"
    )
    run = PageRun(page, tmp_path / "reader", {})
    run.run(60)
    shown = "$ A=7; echo one\n$ echo $A\n7\n$ seq 3; echo end\n1\n…\nend\n"
    assert run.remake() == f"# A page\n```console\n{shown}```\nText\n"


def test_a_page_that_fails_names_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n```sh\nA=1\n```\n```console\n$ echo $A; false\n1\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 5 failed"):
        PageRun(page, tmp_path / "reader", {}).run(60)
    page.write_text("# A page\n```sh\nA=one\n```\n```console\n$ echo $A\ntwo\n```\n", encoding="utf-8")
    run = PageRun(page, tmp_path / "again", {})
    run.run(60)
    assert "shown:\ntwo" in run.find_differences()[0]
