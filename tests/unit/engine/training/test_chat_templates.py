"""Rows under other families' templates: each learned token stands after what serving would have read before it."""

from collections.abc import Callable
from typing import Any

import pytest

from services.engine.model.prompts import PromptEncoder
from services.engine.training.encoding import EncodingError, ExampleEncoder, PreferencePair, TrainingSequence
from services.engine.training.examples import ChatExample, CompletionExample, Example, PreferenceExample, Turn
from tests.support.tiny_models import templates
from tests.support.tiny_models.tokenizers import (
    build_chat_tokenizer,
    build_ending_tokenizer,
    build_plain_tokenizer,
    build_sentencepiece_tokenizer,
)

Build = Callable[[str], Any]


def chat(*contents: str) -> ChatExample:
    """Turns of a user and an assistant, who both speak in order."""
    roles = ("user", "assistant")
    return ChatExample(
        tuple(Turn(roles[place % 2], text, learned=place % 2 == 1) for place, text in enumerate(contents))
    )


def encode(tokenizer: Any, example: Example, **options: Any) -> list[TrainingSequence]:
    found = ExampleEncoder(tokenizer, 1000, **options).encode_all(example)
    return [sequence for sequence in found if isinstance(sequence, TrainingSequence)]


def learned_texts(tokenizer: Any, sequence: TrainingSequence) -> list[str]:
    """The runs of learned tokens."""
    runs: list[list[int]] = [[]]
    for token, learned in zip(sequence.tokens, sequence.learned, strict=True):
        if learned:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [tokenizer.decode(run) for run in runs if run]


def served_prompt(tokenizer: Any, *contents: str) -> list[int]:
    """What POST /v1/chat/completions reads."""
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(contents)]
    prompts = PromptEncoder(tokenizer)
    return prompts.encode_chat_text(prompts.render_chat(messages, True))


ALL: list[tuple[Build, str]] = [
    (build_chat_tokenizer, templates.CHATML),
    (build_chat_tokenizer, templates.THINKING_CHATML),
    (build_chat_tokenizer, templates.OPENED_THOUGHT),
    (build_sentencepiece_tokenizer, templates.BRACKETS),
    (build_ending_tokenizer, templates.TURNS),
]
IDS = ["chatml", "qwen3", "r1", "llama2", "gemma"]


@pytest.mark.parametrize(("build", "template"), ALL, ids=IDS)
def test_every_answer_is_learned_after_exactly_the_prompt_that_serving_reads(build: Build, template: str) -> None:
    tokenizer = build(template)
    conversation = ["one?", "first", "two?", "second", "three?", "third"]
    answers = set()
    for sequence in encode(tokenizer, chat(*conversation)):
        prompts = {tuple(served_prompt(tokenizer, *conversation[:place])) for place in (1, 3, 5)}
        starts = [
            place for place in range(1, len(sequence)) if sequence.learned[place] and not sequence.learned[place - 1]
        ]
        for start in starts:
            assert tuple(sequence.tokens[:start]) in prompts
            answers.add(start)
    assert sum(len(learned_texts(tokenizer, one)) for one in encode(tokenizer, chat(*conversation))) == 3


@pytest.mark.parametrize(("build", "template"), ALL, ids=IDS)
def test_the_prompt_is_what_the_library_makes_of_the_conversation(build: Build, template: str) -> None:
    tokenizer = build(template)
    messages = [{"role": "user", "content": "one?"}]
    expected = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True, return_dict=False)
    assert served_prompt(tokenizer, "one?") == expected


def test_every_answer_ends_with_the_token_that_stops_serving() -> None:
    tokenizer = build_chat_tokenizer(templates.CHATML)
    (sequence,) = encode(tokenizer, chat("a", "b", "c", "d"))
    assert learned_texts(tokenizer, sequence) == ["b<|im_end|>", "d<|im_end|>"]


def test_an_end_token_of_the_generation_settings_ends_an_answer_too() -> None:
    tokenizer = build_plain_tokenizer()
    tokenizer.chat_template = templates.TURNS
    ending = tokenizer.convert_tokens_to_ids("]")
    (without,) = encode(tokenizer, chat("a", "b", "c", "d"))
    assert learned_texts(tokenizer, without) == ["b]", "d]<eos>"]
    (sequence,) = encode(tokenizer, chat("a", "b", "c", "d"), end_tokens=[1, ending])
    assert learned_texts(tokenizer, sequence) == ["b]", "d]"]


def test_no_empty_thought_is_learned_and_past_turns_are_learned_as_serving_asks_for_them() -> None:
    tokenizer = build_chat_tokenizer(templates.THINKING_CHATML)
    (single,) = encode(tokenizer, chat("a", "b"))
    assert learned_texts(tokenizer, single) == ["b<|im_end|>"]
    (several,) = encode(tokenizer, chat("a", "b", "c", "d"))
    assert learned_texts(tokenizer, several) == ["b<|im_end|>", "d<|im_end|>"]


def test_a_rows_own_thoughts_are_learned_and_left_out_of_later_prompts() -> None:
    tokenizer = build_chat_tokenizer(templates.THINKING_CHATML)
    thought = "<think>\nhm\n</think>\n\nb"
    first, second = encode(tokenizer, chat("a", thought, "c", "d"))
    assert learned_texts(tokenizer, first) == ["<think>\nhm\n</think>\n\nb<|im_end|>"]
    assert learned_texts(tokenizer, second) == ["d<|im_end|>"]
    assert "hm" not in tokenizer.decode(second.tokens)


def test_a_thought_that_the_prompt_opens_is_closed() -> None:
    tokenizer = build_chat_tokenizer(templates.OPENED_THOUGHT)
    (without,) = encode(tokenizer, chat("a", "b"))
    assert tokenizer.decode(without.tokens).endswith("assistant\n<think>\n\n</think>\n\nb<|im_end|>")
    assert learned_texts(tokenizer, without) == ["\n</think>\n\nb<|im_end|>"]
    (own,) = encode(tokenizer, chat("a", "<think>\nhm\n</think>\n\nb"))
    assert tokenizer.decode(own.tokens).endswith("assistant\n<think>\nhm\n</think>\n\nb<|im_end|>")
    assert len(encode(tokenizer, chat("a", "b", "c", "d"))) == 2


def test_a_text_begins_once() -> None:
    tokenizer = build_chat_tokenizer(templates.OWN_BEGIN)
    tokenizer.bos_token = "<|endoftext|>"
    (sequence,) = encode(tokenizer, chat("a", "b"))
    assert sequence.tokens.count(tokenizer.bos_token_id) == 1
    assert served_prompt(tokenizer, "a")[0] == tokenizer.bos_token_id
    plain = build_plain_tokenizer()
    plain.chat_template = templates.TURNS
    assert served_prompt(plain, "a").count(plain.bos_token_id) == 1
    plain.chat_template = None
    assert served_prompt(plain, "a").count(plain.bos_token_id) == 1


def test_no_blank_is_learned_before_a_completion() -> None:
    tokenizer = build_sentencepiece_tokenizer()
    (sequence,) = encode(tokenizer, CompletionExample("a ->", " b"))
    assert tokenizer.decode(sequence.tokens, skip_special_tokens=True) == "a -> b"
    (glued,) = encode(tokenizer, CompletionExample("ab", "cd"))
    assert tokenizer.decode(glued.tokens, skip_special_tokens=True) == "abcd"


def test_no_end_of_text_stands_between_prompt_and_completion() -> None:
    tokenizer = build_ending_tokenizer()
    (sequence,) = encode(tokenizer, CompletionExample("a", "b"))
    assert tokenizer.decode(sequence.tokens) == "<bos>ab<eos>"
    assert PromptEncoder(tokenizer).encode_text("a") == sequence.tokens[:2]


def test_a_preference_pair_has_one_prompt_and_two_answers() -> None:
    tokenizer = build_chat_tokenizer(templates.THINKING_CHATML)
    turns = (Turn("user", "a", False), Turn("assistant", "x", False), Turn("user", "b", False))
    example = PreferenceExample(turns, Turn("assistant", "good", True), Turn("assistant", "bad", True))
    (pair,) = ExampleEncoder(tokenizer, 1000).encode_all(example)
    assert isinstance(pair, PreferencePair)
    assert learned_texts(tokenizer, pair.preferred) == ["good<|im_end|>"]
    assert learned_texts(tokenizer, pair.rejected) == ["bad<|im_end|>"]


def test_turns_that_the_template_refuses_say_why() -> None:
    tokenizer = build_sentencepiece_tokenizer(templates.BRACKETS)
    turns = (Turn("developer", "s", False), Turn("user", "a", False), Turn("assistant", "b", True))
    with pytest.raises(EncodingError, match="system turns are not known"):
        encode(tokenizer, ChatExample(turns))


def test_a_row_longer_than_the_base_counts_is_refused_with_both_numbers() -> None:
    tokenizer = build_plain_tokenizer()
    with pytest.raises(EncodingError, match="it has 42 tokens, and the base counts only to 40"):
        encode(tokenizer, CompletionExample("a" * 20, "b" * 20), longest=40)
