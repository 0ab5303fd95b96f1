"""A recipe's rules, asked of texts."""

from typing import Any

import pytest

from services.workers.generation.story_rules import read_rules

PARTLY_LATIN = "is partly written in Latin, not in Han"


@pytest.mark.parametrize(
    ("rules", "text", "reason", "breach"),
    [
        ({"min_characters": 3}, " 长安 ", "stop", "2 characters, fewer than 3"),
        ({"max_characters": 1}, "长安", "stop", "2 characters, more than 1"),
        ({"must_contain": ["长安", "英雄"]}, "长安。", "stop", "does not contain '英雄'"),
        ({"must_not_contain": ["AI"]}, "I am an AI.", "stop", "contains 'AI'"),
        ({"ends_properly": True}, "长安很", "stop", "does not end properly: '长安很'"),
        ({"ends_properly": True}, "长安。", "length", "does not end properly: '长安。'"),
        ({"ends_properly": True}, "“长安。”\n", "stop", None),
        ({"finish_reason": "stop"}, "a", None, "finish_reason is missing, not stop"),
        ({"is_json": True}, "{oops", "stop", "is no JSON"),
        ({"is_json": True}, ' {"a": 1}', "stop", None),
        ({"script": "Han"}, "长安的英雄 Hero 击退了怪兽。", "stop", None),
        ({"script": "Han"}, "The hero of 长安 won.", "stop", "is written in Latin, not in Han"),
        ({"script": "Han"}, "长安" * 200 + "And then the hero went home. " * 10, "stop", PARTLY_LATIN),
        ({"script": "Han"}, "长安" * 100 + "The end.", "stop", None),
        ({"script": "kana"}, "漢字" * 100 + "ひらがな" * 50, "stop", None),
        ({"script": "kana"}, "漢字", "stop", "is written in Han, not in kana"),
        ({"script": "Latin"}, "42!", "stop", "is written in no letters, not in Latin"),
        ({"script": "Latin"}, "", "stop", "is written in no letters, not in Latin"),
        ({"min_characters": 1, "of_a_later_release": True}, "a", "stop", None),
    ],
)
def test_the_first_broken_rule_is_named(rules: dict[str, Any], text: str, reason: str | None, breach: str) -> None:
    read = read_rules(rules)
    assert read is not None
    assert read.find_breach(text, reason) == breach


def test_no_rules_are_none() -> None:
    assert read_rules(None) is None
    assert read_rules({}) is None
