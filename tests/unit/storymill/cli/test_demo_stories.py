"""The demo shows stories in the language that it asked for."""

import pytest

from storymill.cli.demo_stories import MOST_TRIES, has_lost_its_language, tell_again_if_lost

STORY = "宋朝的岳飞拥有了发射激光的本领，帮助奥特曼打败了怪兽，他练了三天三夜，终于把光收进了枪尖。" * 4
KOREAN = "송나라의 영웅은 하늘을 날아 괴물을 물리쳤다." * 4


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        (STORY, False),
        (f"{STORY}他对TV说：再见。", False),
        (KOREAN, True),
        (STORY + KOREAN[:40], True),
        (f"{STORY}terrible terrible terrible！", True),
        ("！！！", True),
        ("", True),
    ],
    ids=["chinese", "a-name", "korean", "korean-at-the-end", "terrible", "no-letter", "nothing"],
)
def test_a_story_in_another_language_is_noticed(text: str, is_lost: bool) -> None:
    assert has_lost_its_language(text) is is_lost


@pytest.mark.parametrize(("told", "calls"), [([STORY], 1), ([KOREAN, STORY], 2), ([KOREAN] * 5, MOST_TRIES)])
def test_a_lost_story_is_told_once_more_and_not_for_ever(
    told: list[str], calls: int, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(told)
    tell_again_if_lost(lambda: next(left))
    assert len(list(left)) == len(told) - calls
    assert capsys.readouterr().out.count("left its language") == calls - 1
