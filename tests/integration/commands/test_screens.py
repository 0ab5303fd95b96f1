"""What every main command prints on every terminal is what somebody has read: the files of tests/fixtures/screens."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.screens import ANSWERS, KEPT, KINDS, draw_elsewhere, find_file

Screens = Mapping[str, str]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("screens")]  # a whole mill is asked everything, at five widths

ID = re.compile(r"\b(?:gen|ds|rec|story|dsv)_\w+|\bftjob-\w+|\bft:[\w:.-]*\w")
BAR = re.compile(r"[━╸╺ ]+")
"""In colour a bar shows what is left, too."""
WORD = re.compile(r"(?<![^\s(])[A-Za-z]{3,}(?![^\s,.:;)])")
CUT = {"storymill stories list", "storymill fine-tunes results", "(under way)", "storymill up"}
"""What shows the beginning of longer texts, curves, or lines that are drawn over."""


@pytest.fixture(scope="module")
def drawn() -> Screens:
    """Each terminal's screens, drawn now."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(KINDS, pool.map(draw_elsewhere, KINDS), strict=True))


def part(screens: str) -> dict[str, str]:
    """Return each command's screen."""
    found = re.split(r"^\$ (.*)\n", screens, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("name", KEPT)
def test_a_terminal_shows_what_was_read(drawn: Screens, name: str) -> None:
    kept = part(find_file(name).read_text(encoding="utf-8"))
    shown = part(drawn[name])
    assert shown.keys() == kept.keys()
    assert {title: text for title, text in shown.items() if text != kept[title]} == {}


def test_colour_changes_no_letter(drawn: Screens) -> None:
    plain, coloured = part(drawn["80"]), part(drawn["colour"])
    assert (plain.pop("(colours)").strip(), coloured.pop("(colours)").strip()) == ("none", "some")
    shown = ({title: BAR.sub(" ", screen) for title, screen in screens.items()} for screens in (plain, coloured))
    assert next(shown) == next(shown)


@pytest.mark.parametrize("name", KEPT)
def test_no_screen_speaks_of_programs(drawn: Screens, name: str) -> None:
    assert not re.search(r"\bNone\b|\{'|\bTrue\b|\bFalse\b|Traceback|\bnull\b", drawn[name])
    assert not re.search(r"(?<![\d.])1 (?:epochs|stories|rows|tokens|calls|days)\b", drawn[name])


@pytest.mark.parametrize("name", ["80", "100", "200", "ascii"])
def test_no_id_is_cut(drawn: Screens, name: str) -> None:
    known = ANSWERS.read_text(encoding="utf-8")
    assert [found for found in ID.findall(drawn[name]) if not re.search(rf"{re.escape(found)}(?![\w:])", known)] == []


@pytest.mark.parametrize("name", ["80", "100"])
def test_no_word_is_broken(drawn: Screens, name: str) -> None:
    whole = part(drawn["pipe"])
    broken = {
        word
        for title, screen in part(drawn[name]).items()
        if not any(cut in title for cut in CUT)
        for line in screen.splitlines()
        if "left out" not in line and "room:" not in line
        for word in WORD.findall(line)
        if word not in whole[title]
    }
    assert broken == set()
