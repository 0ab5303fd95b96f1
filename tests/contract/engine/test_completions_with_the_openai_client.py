"""The official client writes texts with the engine."""

from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, PermissionDeniedError

from tests.support.live_engine import LiveEngine
from tests.support.random_adapter import write_random_adapter

PROMPT = "唐,隐形,轻松 ->"
TUNED = "ft:tiny:org:one:1"
NO_END = {"1": -100}


def test_a_completion_has_text_usage_and_a_reason(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt=PROMPT, max_tokens=8, logit_bias=NO_END, seed=1)
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason, answer.object, answer.model) == (0, "length", "text_completion", "tiny")
    assert choice.text
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (8, 8 + answer.usage.prompt_tokens)


def test_a_text_that_ignores_its_end_goes_on_to_its_bound(client: OpenAI) -> None:
    ending, endless = {"1": 100}, {"ignore_eos": True}
    asked = {"model": "tiny", "max_tokens": 24, "logit_bias": ending, "temperature": 0}
    ended = client.completions.create(prompt=PROMPT, **asked)
    assert (ended.choices[0].text, ended.choices[0].finish_reason) == ("", "stop")
    text = client.completions.create(prompt=PROMPT, extra_body=endless, logprobs=1, **asked)
    chat = client.chat.completions.create(messages=[{"role": "user", "content": PROMPT}], extra_body=endless, **asked)
    for answer in (text, chat):
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 24


def test_a_text_that_ignores_its_end_is_held_to_no_form(client: OpenAI) -> None:
    form = {"ignore_eos": True, "guided_choice": ["yes", "no"]}
    with pytest.raises(BadRequestError) as refused:
        client.completions.create(model="tiny", prompt=PROMPT, extra_body=form)
    assert refused.value.param == "ignore_eos"


def test_a_stream_adds_up_to_the_whole_answer(client: OpenAI) -> None:
    options = {"model": TUNED, "prompt": PROMPT, "max_tokens": 60, "seed": 3, "temperature": 0.9}
    whole = client.completions.create(**options)
    chunks = list(client.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].text for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].text
    assert len(pieces) > 5
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[0].finish_reason


def test_prompts_times_n_choices_come_in_order(client: OpenAI) -> None:
    answer = client.completions.create(
        model="tiny", prompt=["abc", PROMPT], n=2, max_tokens=6, echo=True, temperature=0, logit_bias=NO_END
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    texts = [choice.text for choice in answer.choices]
    assert texts[0] == texts[1]
    assert texts[0].startswith("abc")
    assert texts[2].startswith(PROMPT)


def test_choices_of_one_request_differ_and_repeat_with_the_seed(client: OpenAI) -> None:
    first, second = (
        [c.text for c in client.completions.create(model="tiny", prompt="a", n=4, seed=5, max_tokens=12).choices]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == 4


def test_tokens_are_prompts_too(client: OpenAI) -> None:
    one = client.completions.create(model="tiny", prompt=[2, 300, 301], max_tokens=3, temperature=0)
    two = client.completions.create(model="tiny", prompt=[[2, 300, 301], [2, 302]], max_tokens=3, temperature=0)
    assert one.choices[0].text == two.choices[0].text
    assert len(two.choices) == 2


def test_a_stop_string_ends_the_text_and_never_shows_in_a_stream(client: OpenAI) -> None:
    options = {"model": "tiny", "prompt": PROMPT, "max_tokens": 40, "temperature": 0, "logit_bias": NO_END}
    free = client.completions.create(**options).choices[0].text
    stop = free[10:13]
    cut = client.completions.create(**options, stop=stop).choices[0]
    streamed = "".join(
        chunk.choices[0].text for chunk in client.completions.create(**options, stop=[stop, "never"], stream=True)
    )
    assert cut.finish_reason == "stop"
    assert cut.text == streamed == free[: free.index(stop)]


def test_logprobs_name_each_token(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="a", max_tokens=4, logprobs=2, temperature=0)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == answer.usage.completion_tokens  # type: ignore[union-attr]
    assert max(logprobs.token_logprobs) <= 0


def test_chat_streams_a_role_then_content_then_an_end(client: OpenAI) -> None:
    options = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20, "seed": 2}
    whole = client.chat.completions.create(**options)  # type: ignore[call-overload]
    chunks = list(client.chat.completions.create(**options, stream=True))  # type: ignore[call-overload]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert whole.object == "chat.completion"


def test_chat_reports_logprobs_and_several_choices(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        max_completion_tokens=3,
        n=2,
        logprobs=True,
        top_logprobs=2,
        logit_bias=NO_END,
    )
    assert len(answer.choices) == 2
    content = answer.choices[0].logprobs.content  # type: ignore[union-attr]
    assert content is not None
    assert [len(one.top_logprobs) for one in content] == [2, 2, 2]


def test_a_tuned_model_writes_other_texts_than_its_base(client: OpenAI) -> None:
    texts = {
        name: client.completions.create(model=name, prompt="a", max_tokens=12, temperature=0).choices[0].text
        for name in ("tiny", "curie", TUNED)
    }
    assert texts["tiny"] == texts["curie"]
    assert texts["tiny"] != texts[TUNED]


def test_models_are_listed_retrieved_and_deleted(client: OpenAI, engine: LiveEngine, tiny_folder: Path) -> None:
    write_random_adapter(tiny_folder, engine.state_dir / "adapters" / "two", "ft:tiny:org/a:two:2", "tiny", seed=1)
    assert {"tiny", TUNED, "ft:tiny:org/a:two:2", "text-davinci-003"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("ft:tiny:org/a:two:2").owned_by == "user"
    assert client.completions.create(model="ft:tiny:org/a:two:2", prompt="a", max_tokens=2).choices
    assert client.models.delete("ft:tiny:org/a:two:2").deleted
    with pytest.raises(NotFoundError) as caught:
        client.completions.create(model="ft:tiny:org/a:two:2", prompt="a")
    assert caught.value.code == "model_not_found"
    with pytest.raises(PermissionDeniedError):
        client.models.delete("tiny")


def test_a_request_that_cannot_fit_says_so_in_the_clients_words(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.completions.create(model="tiny", prompt="a" * 500, max_tokens=100)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a" * 600}])
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.request_id
