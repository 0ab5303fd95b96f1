"""Contracts read off plain training files."""

from services.workers.fine_tuning.register.derived_template import derive_template


def test_the_articles_rows_give_its_separator_and_stop() -> None:
    rows = [
        {"prompt": "唐,隐形,轻松 ->", "completion": " \n\n一位英雄。."},
        {"prompt": "宋,飞行,努力 ->", "completion": " \n\n这是一个故事!."},
    ]
    assert derive_template(rows) == {
        "format": "completion",
        "separator": " ->",
        "stop": ".",
        "starts_with_space": True,
        "max_tokens": None,
    }


def test_rows_that_share_nothing_have_no_marks() -> None:
    found = derive_template([{"prompt": "a", "completion": "x"}, {"prompt": "b", "completion": "y"}])
    assert found is not None
    assert (found["separator"], found["stop"]) == (None, None)


def test_one_row_is_no_contract() -> None:
    found = derive_template([{"prompt": "a ->", "completion": "x."}])
    assert found is not None
    assert found["separator"] is None


def test_chats_bring_their_own_separators() -> None:
    found = derive_template([{"messages": []}])
    assert found is not None
    assert found["format"] == "chat"
    assert derive_template([{"text": "x"}]) is None
    assert derive_template([]) is None
