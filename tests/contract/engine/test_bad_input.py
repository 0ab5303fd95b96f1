"""Whatever is wrong with a request, the answer has the right status and OpenAI's shape."""

from typing import Any

import httpx2
import pytest

from tests.support.live_engine import LiveEngine

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
USER = [{"role": "user", "content": "hi"}]

WRONG_FIELDS: list[tuple[str, dict[str, Any], str]] = [
    (COMPLETIONS, {"max_tokens": 0}, "max_tokens"),
    (COMPLETIONS, {"max_tokens": "many"}, "max_tokens"),
    (COMPLETIONS, {"max_tokens": 10**9}, "prompt"),
    (COMPLETIONS, {"temperature": 2.1}, "temperature"),
    (COMPLETIONS, {"temperature": -1}, "temperature"),
    (COMPLETIONS, {"top_p": 1.5}, "top_p"),
    (COMPLETIONS, {"presence_penalty": 3}, "presence_penalty"),
    (COMPLETIONS, {"frequency_penalty": -3}, "frequency_penalty"),
    (COMPLETIONS, {"n": 0}, "n"),
    (COMPLETIONS, {"n": 1000}, "n"),
    (COMPLETIONS, {"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    (COMPLETIONS, {"stop": 5}, "stop"),
    (COMPLETIONS, {"seed": "x"}, "seed"),
    (COMPLETIONS, {"logprobs": 6}, "logprobs"),
    (COMPLETIONS, {"best_of": 3}, "best_of"),
    (COMPLETIONS, {"suffix": "end"}, "suffix"),
    (COMPLETIONS, {"logit_bias": {"word": 1}}, "logit_bias"),
    (COMPLETIONS, {"logit_bias": {"999999": 1}}, "logit_bias"),
    (COMPLETIONS, {"prompt": []}, "prompt"),
    (COMPLETIONS, {"prompt": [[]]}, "prompt"),
    (COMPLETIONS, {"prompt": [999999]}, "prompt"),
    (COMPLETIONS, {"prompt": [-1]}, "prompt"),
    (COMPLETIONS, {"prompt": [1.5]}, "prompt"),
    (COMPLETIONS, {"prompt": {"a": 1}}, "prompt"),
    (COMPLETIONS, {"model": ""}, "model"),
    (COMPLETIONS, {"model": 5}, "model"),
    (COMPLETIONS, {"priority": "urgent"}, "priority"),
    (CHAT, {"messages": []}, "messages"),
    (CHAT, {"messages": None}, "messages"),
    (CHAT, {"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
    (CHAT, {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    (CHAT, {"max_tokens": 0}, "max_tokens"),
    (CHAT, {"top_logprobs": 3}, "top_logprobs"),
    (CHAT, {"response_format": {"type": "xml"}}, "response_format.type"),
]


def check_error(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"] == response.headers["request-id"]
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize(("path", "fields", "param"), WRONG_FIELDS)
def test_a_wrong_field_is_named(engine: LiveEngine, path: str, fields: dict[str, Any], param: str) -> None:
    body = {"model": "tiny", "max_tokens": 2, **({"prompt": "a"} if path == COMPLETIONS else {"messages": USER})}
    error = check_error(httpx2.post(engine.url + path, json={**body, **fields}), 400)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"


def test_text_that_is_no_unicode_is_refused(engine: LiveEngine) -> None:
    body = rb'{"model": "tiny", "prompt": "\ud800"}'
    response = httpx2.post(engine.url + COMPLETIONS, content=body, headers={"content-type": "application/json"})
    assert check_error(response, 400)["param"] == "prompt"


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b'"x"', b"\xff\xfe", b'{"model": "\xff"}', b"null"])
def test_a_body_that_is_no_object_is_refused(engine: LiveEngine, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    check_error(httpx2.post(engine.url + COMPLETIONS, content=content, headers=headers), 400)


def test_a_body_over_the_limit_is_refused_announced_or_not(engine: LiveEngine) -> None:
    large = b'{"model":"tiny","prompt":"' + b"a" * 9_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    check_error(httpx2.post(engine.url + COMPLETIONS, content=large, headers=headers), 413)
    pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    check_error(httpx2.post(engine.url + COMPLETIONS, content=pieces, headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", COMPLETIONS, 405, "method_not_allowed"),
        ("GET", "/v1/models/none", 404, "model_not_found"),
        ("GET", "/v1/models/a%2Fb", 404, "model_not_found"),
        ("DELETE", "/v1/models/none", 404, "model_not_found"),
        ("DELETE", "/v1/models/tiny", 403, None),
        ("GET", "/v1/engines/none", 404, "model_not_found"),
    ],
)
def test_unknown_routes_and_models_answer_in_shape(
    engine: LiveEngine, method: str, path: str, status: int, code: str | None
) -> None:
    assert check_error(httpx2.request(method, engine.url + path), status)["code"] == code


def test_an_unknown_model_is_404_on_every_writing_route(engine: LiveEngine) -> None:
    for path, body in (
        (COMPLETIONS, {"model": "none", "prompt": "a"}),
        (CHAT, {"model": "none", "messages": USER}),
        ("/v1/engines/curie%3Aft-none/completions", {"prompt": "a"}),
    ):
        assert check_error(httpx2.post(engine.url + path, json=body), 404)["code"] == "model_not_found"


def test_an_alias_of_a_model_that_is_not_there_is_refused_and_not_answered_by_the_base(engine: LiveEngine) -> None:
    body = {"model": "text-davinci-003", "prompt": "a"}
    error = check_error(httpx2.post(engine.url + COMPLETIONS, json=body), 404)
    assert error["code"] == "model_unavailable"
    assert "stands for 'storyteller'" in error["message"]


def test_nulls_and_unknown_fields_are_accepted(engine: LiveEngine) -> None:
    names = ["n", "logprobs", "temperature", "top_p", "stop", "seed", "stream", "stream_options", "best_of", "suffix"]
    body = {"prompt": "a", "max_tokens": 2, "timeout": 5, "user": "me", "surprise": {}, **dict.fromkeys(names)}
    response = httpx2.post(f"{engine.url}/v1/engines/curie/completions", json=body)
    assert response.status_code == 200
    assert response.json()["model"] == "curie"


def test_a_whole_number_may_be_spelled_as_a_float(engine: LiveEngine) -> None:
    body = {"model": "tiny", "prompt": [5.0, 6], "max_tokens": 2.0, "seed": 7.0, "logit_bias": {"1": -100}}
    answer = httpx2.post(engine.url + COMPLETIONS, json=body)
    assert (answer.status_code, answer.json()["usage"]["completion_tokens"]) == (200, 2)
    check_error(httpx2.post(engine.url + COMPLETIONS, json={**body, "max_tokens": 2.5}), 400)


def test_a_stream_is_written_as_old_clients_need_it(engine: LiveEngine) -> None:
    body = {"model": "tiny", "prompt": "唐", "max_tokens": 3, "stream": True, "logit_bias": {"1": -100}}
    response = httpx2.post(engine.url + COMPLETIONS, json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["transfer-encoding"] == "chunked"
    *events, end, rest = response.text.split("\n\n")
    assert (end, rest) == ("data: [DONE]", "")
    assert all(event.startswith("data: {") and "\n" not in event for event in events)
    assert '"usage"' not in response.text
    assert '"error"' not in response.text
