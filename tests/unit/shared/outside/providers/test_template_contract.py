"""The template contract: prompts end as in training, texts stop where they ended."""

import pytest

from shared.outside.providers.template_contract import TemplateContract, keep_contract, read_contract

ARTICLE = {"format": "completion", "separator": " ->", "stop": ".", "starts_with_space": True, "max_tokens": None}


@pytest.mark.parametrize(
    ("separator", "prompt", "mended"),
    [
        (" ->", "宋,发射激光,艰难 ->\n", "宋,发射激光,艰难 ->"),
        (" ->", "宋,发射激光,艰难 ->", "宋,发射激光,艰难 ->"),
        (" ->", "宋,发射激光,艰难->  ", "宋,发射激光,艰难 ->"),
        (" ->", "宋,发射激光,艰难", "宋,发射激光,艰难 ->"),
        ("\n\n###\n\n", "a story\n\n###", "a story\n\n###\n\n"),
        ("\n", "a story  ", "a story\n"),
        (None, "a story ", "a story "),
    ],
)
def test_a_prompt_ends_in_exactly_the_separator(separator: str | None, prompt: str, mended: str) -> None:
    assert TemplateContract(separator, ".").mend_prompt(prompt) == mended


def test_what_was_changed_is_said_in_printable_ascii() -> None:
    kept = keep_contract(read_contract(ARTICLE), "completion", {"prompt": "宋,发射激光,艰难 ->\n"})
    assert kept.warning is not None
    assert kept.warning.isascii()
    assert kept.warning.isprintable()
    assert '" ->"' in kept.warning


def test_the_contracts_stop_is_added_only_when_the_client_gave_none() -> None:
    contract = read_contract(ARTICLE)
    assert keep_contract(contract, "completion", {"prompt": "a ->"}).body == {"prompt": "a ->", "stop": ["."]}
    assert keep_contract(contract, "completion", {"prompt": "a ->", "stop": ["!"]}).body["stop"] == ["!"]


@pytest.mark.parametrize("body", [{"prompt": "a", "echo": True}, {"prompt": "a", "max_tokens": 0}])
def test_a_text_that_is_to_be_scored_is_left_alone(body: dict[str, object]) -> None:
    assert keep_contract(read_contract(ARTICLE), "completion", body).body == body


def test_token_ids_and_chats_keep_their_prompts() -> None:
    contract = read_contract(ARTICLE)
    assert keep_contract(contract, "completion", {"prompt": [1, 2]}).body["prompt"] == [1, 2]
    assert keep_contract(contract, "chat", {"messages": []}).body == {"messages": [], "stop": ["."]}
    assert read_contract({"format": "chat", "separator": None, "stop": None}) is None


def test_how_every_sentence_ends_is_no_stop_for_a_whole_text() -> None:
    contract = read_contract({**ARTICLE, "stop": "。"})
    assert contract == TemplateContract(" ->", None)
    assert "stop" not in keep_contract(contract, "completion", {"prompt": "a ->"}).body


def test_a_marker_stops_a_text_with_or_without_its_blank() -> None:
    contract = read_contract({**ARTICLE, "stop": " END"})
    assert keep_contract(contract, "completion", {"prompt": "a ->"}).body["stop"] == [" END", "END"]
