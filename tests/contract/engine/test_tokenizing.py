"""Tokens are counted as vLLM's clients ask, and as the engine itself counts them."""

from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.support.live_engine import LiveEngine

MESSAGES = [{"role": "user", "content": "hi 唐"}]
NOW = {"type": "function", "function": {"name": "now"}}


def post(engine: LiveEngine, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    response = httpx2.post(engine.url + path, json=body)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_prompt_has_the_tokens_that_a_completion_counts(engine: LiveEngine, client: OpenAI) -> None:
    said = post(engine, "/tokenize", {"model": "tiny", "prompt": "唐 ab"})
    usage = client.completions.create(model="tiny", prompt="唐 ab", max_tokens=1).usage
    assert usage is not None
    assert said["count"] == len(said["tokens"]) == usage.prompt_tokens
    assert (said["max_model_len"], said["token_strs"]) == (512, None)
    bare = post(engine, "/tokenize", {"prompt": "唐 ab", "add_special_tokens": False, "return_token_strs": True})
    assert said["tokens"] == [2, *bare["tokens"]]
    assert bare["token_strs"] == ["唐", "▁", "a", "b"]


def test_a_chat_has_the_tokens_that_a_chat_counts_functions_too(engine: LiveEngine, client: OpenAI) -> None:
    for more in ({}, {"tools": [NOW]}):
        said = post(engine, "/tokenize", {"model": "tiny", "messages": MESSAGES, **more})
        usage = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=1, **more).usage  # type: ignore[call-overload]
        assert said["count"] == usage.prompt_tokens
    shorter = post(engine, "/tokenize", {"messages": MESSAGES, "add_generation_prompt": False})
    assert shorter["count"] < post(engine, "/tokenize", {"messages": MESSAGES})["count"]


def test_tokens_become_the_text_again(engine: LiveEngine) -> None:
    tokens = post(engine, "/tokenize", {"prompt": "唐 ab 雨"})["tokens"]
    text = "<bos>唐 ab 雨"
    assert post(engine, "/detokenize", {"tokens": tokens}) == {"prompt": text, "content": text}


def test_llama_cpps_clients_are_answered_in_its_words(engine: LiveEngine) -> None:
    bare = post(engine, "/tokenize", {"content": "唐 ab"})
    assert bare == {"tokens": post(engine, "/tokenize", {"prompt": "唐 ab", "add_special_tokens": False})["tokens"]}
    assert post(engine, "/tokenize", {"content": "唐 ab", "add_special": True}) == {"tokens": [2, *bare["tokens"]]}
    said = post(engine, "/tokenize", {"content": "唐 ab🦸", "with_pieces": True})["tokens"]
    assert [one["piece"] for one in said][:4] == ["唐", " ", "a", "b"]
    assert b"".join(bytes(p) if isinstance(p, list) else p.encode() for p in (one["piece"] for one in said)) == (
        "唐 ab🦸".encode()
    )


def test_the_tokenizer_says_what_it_is(engine: LiveEngine) -> None:
    said = httpx2.get(f"{engine.url}/tokenizer_info").json()
    assert (said["bos_token"], said["eos_token"], said["vocab_size"]) == ("<bos>", "<eos>", 354)
    assert said["tokenizer_class"]
    assert "User:" in said["chat_template"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {}, 400, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": MESSAGES}, 400, "prompt"),
        ("/tokenize", {"prompt": "a", "content": "a"}, 400, "prompt"),
        ("/tokenize", {"content": "a", "parse_special": False}, 400, "parse_special"),
        ("/tokenize", {"content": "a" * 1_000_000}, 400, "content"),
        ("/tokenize", {"prompt": "a", "model": "none"}, 404, "model"),
        ("/tokenize", {"messages": MESSAGES, "chat_template": "x"}, 400, "chat_template"),
        ("/tokenize", {"messages": MESSAGES, "add_special_tokens": True}, 400, "add_special_tokens"),
        ("/tokenize", {"messages": [{"role": "robot", "content": "a"}]}, 400, "messages[0].role"),
        ("/detokenize", {"tokens": [999_999]}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens"),
        ("/detokenize", {"tokens": "a"}, 400, "tokens"),
    ],
    ids=str,
)
def test_what_cannot_be_counted_is_refused(
    engine: LiveEngine, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    assert post(engine, path, body, status)["error"]["param"] == param
