"""The check of told stories, and the sample stories against it."""

import re

import pytest

from services.engine.training.pattern_check import Sample, summarise
from services.engine.training.sample_stories import PLAIN_FILES, Cell, hold_out, read_sample_stories, unseen_cells
from services.engine.training.tales.collection import tell_tales

CELL = Cell("宋", "飞行", "努力")
GOOD = "宋朝的岳飞学会了飞行。他遇到一只怪兽，和奥特曼一起打败了它。"


def test_a_story_with_everything_passes() -> None:
    assert Sample(CELL, GOOD, ended=True).judge().passes


@pytest.mark.parametrize(
    ("text", "ended", "missing"),
    [
        (GOOD.replace("宋朝", "唐朝"), True, "names_dynasty"),
        (GOOD.replace("飞行", "隐形"), True, "uses_power"),
        (GOOD.replace("怪兽", "坏人"), True, "meets_monster"),
        (GOOD.replace("奥特曼", "朋友"), True, "meets_monster"),
        (GOOD, False, "ends_by_itself"),
        (GOOD.rstrip("。"), True, "ends_by_itself"),
        ("气，" * 30 + GOOD, True, "free_of_loops"),
    ],
)
def test_what_a_story_lacks_is_found(text: str, ended: bool, missing: str) -> None:
    verdict = Sample(CELL, text, ended).judge()
    assert not verdict.passes
    assert not getattr(verdict, missing)


def test_the_summary_tells_words_and_sense_apart() -> None:
    tale = next(tell_tales(1, seed=1))
    found = summarise([Sample(CELL, GOOD, ended=True), Sample(tale.cell, tale.text, ended=True)])
    assert found["passes"] == 1.0
    assert found["makes_sense"] == 0.5  # of the short one nothing can be recovered
    assert found["weakness_answered"] == 0.5


def test_every_sample_story_passes_the_check() -> None:
    failed = [story.cell for story in read_sample_stories() if not Sample(story.cell, story.text, True).judge().passes]
    assert failed == []


def test_the_sample_stories_cover_the_grids_of_the_article_and_no_other_cell() -> None:
    cells = [story.cell for story in read_sample_stories()]
    first = {
        Cell(dynasty, power, kind)
        for dynasty in ("唐", "宋", "元", "明", "清", "汉", "魏", "晋", "南北朝")
        for power in ("隐形", "飞行", "读心术", "瞬间移动", "不死之身", "喷火")
        for kind in ("轻松", "努力", "艰难")
    }
    more = {
        Cell(dynasty, power, kind)
        for dynasty in ("秦", "五代", "隋")
        for power in ("龙卷风", "冰冻大海", "流星火雨")
        for kind in ("轻松", "努力", "艰难", "勇敢", "辛苦")
    }
    assert cells[:207] == list(dict.fromkeys(cells))
    assert set(cells) == first | more
    assert not set(cells) & set(unseen_cells())


def test_the_plainly_told_stories_name_the_power_early_and_often() -> None:
    for story in read_sample_stories(PLAIN_FILES):
        power = story.cell.super_power
        assert story.text.count(power) >= 3, story.cell
        assert story.text.index(power) < len(story.text) / 2, story.cell
        assert story.cell.story_type in story.text, story.cell


def test_no_sample_story_holds_an_ascii_character_but_newlines() -> None:
    assert not [story.cell for story in read_sample_stories() if re.search(r"[!-~ ]", story.text)]


def test_held_out_cells_are_never_trained_on_and_always_the_same() -> None:
    stories = read_sample_stories()
    kept, held = hold_out(stories, 0.2)
    assert len({story.cell for story in held}) == 41
    assert not {story.cell for story in kept} & {story.cell for story in held}
    assert hold_out(list(reversed(stories)), 0.2)[1][::-1] == held
