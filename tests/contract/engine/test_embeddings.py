"""Texts are embedded as the model itself sees them: the mean of its last states, whoever is beside it."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import openai
import pytest
import torch
from openai import OpenAI

from services.engine.model.load import load_base, load_tokenizer
from tests.support.live_engine import LiveEngine

TUNED = "ft:tiny:org:one:1"
TEXTS = ["唐朝的一位英雄", "a", "The hero came to the modern city and met a monster there. " * 6, "1,2,3,"]


def embed(client: OpenAI, given: Any, **options: Any) -> list[list[float]]:
    arguments = {"model": "tiny", "input": given, **options}
    return [item.embedding for item in client.embeddings.create(**arguments).data]


def mean_states(folder: Path, text: str) -> list[float]:
    model, tokenizer = load_base(folder, torch.float32, "cpu"), load_tokenizer(folder)
    with torch.inference_mode():
        states = model.base_model(input_ids=torch.tensor([tokenizer(text).input_ids])).last_hidden_state[0]
    mean = states.mean(0)
    direction: list[float] = (mean / mean.norm()).tolist()
    return direction


def test_an_embedding_is_the_mean_of_the_last_states(client: OpenAI, tiny_folder: Path) -> None:
    for text in TEXTS:
        assert embed(client, text)[0] == pytest.approx(mean_states(tiny_folder, text), abs=2e-4)


def test_many_texts_are_embedded_as_each_alone(client: OpenAI) -> None:
    many = [f"{text}{number}" for number in range(12) for text in TEXTS]
    together = numpy.array(embed(client, many))
    assert numpy.linalg.norm(together, axis=1) == pytest.approx(numpy.ones(len(many)), abs=1e-5)
    for place in (0, 17, len(many) - 1):
        assert together[place] == pytest.approx(embed(client, many[place])[0], abs=2e-4)


def test_numbers_and_base64_say_the_same_and_tokens_stand_for_their_text(client: OpenAI, tiny_folder: Path) -> None:
    by_default, spelled = embed(client, TEXTS), embed(client, TEXTS, encoding_format="float")
    assert numpy.array(by_default) == pytest.approx(numpy.array(spelled), abs=1e-6)
    tokenizer = load_tokenizer(tiny_folder)
    tokens = [tokenizer(text).input_ids for text in TEXTS]
    assert numpy.array(embed(client, tokens)) == pytest.approx(numpy.array(by_default), abs=1e-6)
    assert embed(client, tokens[0])[0] == pytest.approx(by_default[0], abs=1e-6)
    usage = client.embeddings.create(model="tiny", input=TEXTS).usage
    assert usage.prompt_tokens == usage.total_tokens == sum(map(len, tokens))


def test_a_tuned_model_embeds_in_its_own_way(client: OpenAI) -> None:
    base, tuned = embed(client, "唐朝")[0], embed(client, "唐朝", model=TUNED)[0]
    assert tuned != pytest.approx(base, abs=1e-3)
    size = len(base)
    assert embed(client, "唐朝", dimensions=size)[0] == pytest.approx(base, abs=1e-6)


def test_a_text_is_written_the_same_while_others_are_embedded(client: OpenAI) -> None:
    def write() -> str:
        return client.completions.create(model="tiny", prompt="abc", max_tokens=60, temperature=0).choices[0].text

    alone = write()
    stream = client.completions.create(model="tiny", prompt="abc", max_tokens=60, temperature=0, stream=True)
    pieces = [next(stream).choices[0].text]
    long = "The hero came to the modern city. " * 10
    beside = embed(client, [long, "a"])  # in pieces between the stream's tokens
    pieces += [chunk.choices[0].text for chunk in stream]
    assert "".join(pieces) == alone
    assert beside[0] == pytest.approx(embed(client, long)[0], abs=2e-4)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [999_999]}, "input"),
        ({"input": "a" * 2_000}, "input"),
        ({"input": ["a"] * 2_049}, "input"),
        ({"dimensions": 3}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
    ],
    ids=str,
)
def test_what_cannot_be_embedded_is_refused(
    engine: LiveEngine, client: OpenAI, changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(**{"model": "tiny", "input": "a", **changes})
    assert refused.value.param == param


def test_a_model_that_is_not_there_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="nobody"):
        client.embeddings.create(model="nobody", input="a")


def test_a_busy_engine_finishes_the_embeddings_that_it_has_begun(tiny_folder: Path, tmp_path: Path) -> None:
    """Texts are handed to the batch in lots: a lot that finds the line full waits."""
    limits = {"max_batch_size": 2, "max_queued_sequences": 0, "context_length": 512}
    narrow = LiveEngine(tiny_folder, tmp_path, dtype="float32", **limits)
    try:
        narrow.wait_until_ready()
        with (
            OpenAI(base_url=f"{narrow.url}/v1", api_key="unused", max_retries=0) as client,
            ThreadPoolExecutor(max_workers=3) as threads,
        ):
            embedding = threads.submit(embed, client, [f"{number} {TEXTS[2]}" for number in range(40)])
            deadline = time.monotonic() + 30
            while not narrow.read_metric("engine_prompt_tokens_total"):
                assert time.monotonic() < deadline

            def write_until_embedded() -> None:
                while not embedding.done():
                    with suppress(openai.RateLimitError):
                        client.completions.create(model="tiny", prompt="abc", n=2, max_tokens=2)

            writing = [threads.submit(write_until_embedded) for _ in range(2)]
            assert len(embedding.result(timeout=60)) == 40
            assert all(writer.result(timeout=60) is None for writer in writing)
    finally:
        narrow.stop()
