"""The tokenizer that the engine gives to those who count its models' tokens."""

import hashlib

import httpx2
import pytest
from tokenizers import Tokenizer

from tests.support.live_engine import LiveEngine


@pytest.mark.parametrize("model", ["tiny", "ft:tiny:org:one:1"])
def test_the_tokenizer_of_a_model_can_be_fetched_and_gives_the_tokens_that_are_billed(
    engine: LiveEngine, model: str
) -> None:
    card = httpx2.get(f"{engine.url}/v1/models/{model}/tokenizer").json()
    assert (card["object"], card["model"], card["base"]) == ("model.tokenizer", model, "tiny")
    assert card["maximum_training_tokens"] > 0
    content = httpx2.get(f"{engine.url}/v1/models/{model}/tokenizer/content").content
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (card["sha256"], card["bytes"])
    prompt = "唐朝的英雄 and Mara 🦸"
    asked = httpx2.post(f"{engine.url}/v1/completions", json={"model": model, "prompt": prompt, "max_tokens": 1})
    assert asked.json()["usage"]["prompt_tokens"] == len(Tokenizer.from_str(content.decode()).encode(prompt).ids)


def test_a_model_that_is_not_there_has_no_tokenizer(engine: LiveEngine) -> None:
    for path in ("tokenizer", "tokenizer/content"):
        response = httpx2.get(f"{engine.url}/v1/models/none/{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
