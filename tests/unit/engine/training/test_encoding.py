"""Examples as tokens: what serving sees, what is learned."""

from typing import Any

import pytest

from services.engine.model.chat import build_chat_renderer
from services.engine.training.encoding import EncodingError, ExampleEncoder, TrainingSequence
from services.engine.training.examples import ChatExample, CompletionExample, Turn
from tests.support.tiny_model import build_tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tiny_tokenizer()


def encoder(tokenizer: Any, maximum: int = 1000) -> ExampleEncoder:
    return ExampleEncoder(tokenizer, maximum)


def learned_text(tokenizer: Any, sequence: TrainingSequence) -> str:
    tokens = [token for token, learned in zip(sequence.tokens, sequence.learned, strict=True) if learned]
    return str(tokenizer.decode(tokens))


def test_a_completion_begins_as_a_request_and_ends_with_end_of_text(tokenizer: Any) -> None:
    sequence = encoder(tokenizer).encode(CompletionExample("唐,隐形 ->", " 故事。."))
    prompt = tokenizer("唐,隐形 ->").input_ids
    assert sequence.tokens[: len(prompt)] == prompt
    assert sequence.tokens[0] == tokenizer.bos_token_id
    assert sequence.tokens[-1] == tokenizer.eos_token_id
    assert learned_text(tokenizer, sequence) == " 故事。.<eos>"


def test_an_empty_prompt_still_leaves_the_first_token_unlearned(tokenizer: Any) -> None:
    sequence = encoder(tokenizer).encode(CompletionExample("", "abc"))
    assert not sequence.learned[0]
    assert sequence.learned_count == 4


def test_a_chat_learns_every_answer_that_counts(tokenizer: Any) -> None:
    turns = (
        Turn("system", "S", learned=False),
        Turn("user", "q", learned=False),
        Turn("assistant", "one", learned=True),
        Turn("user", "r", learned=False),
        Turn("assistant", "two", learned=True),
    )
    sequence = encoder(tokenizer).encode(ChatExample(turns))
    assert learned_text(tokenizer, sequence) == " one two<eos>"
    assert (
        str(tokenizer.decode(sequence.tokens))
        == "<bos>S\n\nUser: q\n\nAssistant: one\n\nUser: r\n\nAssistant: two<eos>"
    )


def test_the_chat_prompt_is_the_one_that_serving_makes(tokenizer: Any) -> None:
    render = build_chat_renderer(tokenizer)
    turns = (Turn("user", "q", learned=False), Turn("assistant", "a", learned=True))
    sequence = encoder(tokenizer).encode(ChatExample(turns))
    served = tokenizer(render([{"role": "user", "content": "q"}], True)).input_ids
    assert sequence.tokens[: len(served)] == served
    assert not any(sequence.learned[: len(served)])


def test_long_examples_are_cut_and_counted(tokenizer: Any) -> None:
    short = encoder(tokenizer, maximum=10)
    assert len(short.encode(CompletionExample("a", "b" * 50))) == 10
    assert short.cut_count == 1


def test_an_example_whose_prompt_fills_the_model_is_refused(tokenizer: Any) -> None:
    with pytest.raises(EncodingError, match="the prompt alone is longer than 10 tokens"):
        encoder(tokenizer, maximum=10).encode(CompletionExample("a" * 50, "b"))


def test_a_chat_that_the_template_cannot_cut_is_refused(tokenizer: Any) -> None:
    with pytest.raises(EncodingError, match="chat template"):
        encoder(tokenizer).encode(ChatExample((Turn("assistant", "a", learned=True),)))
