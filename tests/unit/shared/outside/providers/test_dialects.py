"""Which refusals ask for other words, and which are about what was asked."""

from typing import Any

import pytest

from shared.outside.providers.border.http_errors import error_from_response
from shared.outside.providers.dialects import Change, find_change, translate

CHAT = {"messages": [], "max_tokens": 9, "stream": True, "stream_options": {"include_usage": True}}
PLAIN = {"messages": [], "max_tokens": 9, "stream": False}

# Each body as the named server's users report it.
ASKED_OTHERWISE = [
    # OpenAI, reasoning models
    (
        PLAIN,
        400,
        b'{"error": {"message": "Unsupported parameter: \'max_tokens\' is not supported with this model. Use '
        b'\'max_completion_tokens\' instead.", "type": "invalid_request_error", "param": "max_tokens",'
        b' "code": "unsupported_parameter"}}',
        Change.MAX_COMPLETION_TOKENS,
    ),
    # OpenAI, organisations that are not verified
    (
        {**CHAT, "stream_options": None},
        400,
        b'{"error": {"message": "Your organization must be verified to stream this model. Please go to: '
        b'https://platform.openai.com/settings/organization/general", "type": "invalid_request_error", '
        b'"param": "stream", "code": "unsupported_value"}}',
        Change.WHOLE,
    ),
    # Mistral, and whatever else checks bodies with pydantic
    (
        CHAT,
        422,
        b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"], '
        b'"msg": "Extra inputs are not permitted", "input": true}]}',
        Change.NO_STREAM_OPTIONS,
    ),
    # Gemini's compatible endpoint
    (
        CHAT,
        400,
        b'[{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name \\"stream_options\\": '
        b'Cannot find field.", "status": "INVALID_ARGUMENT"}}]',
        Change.NO_STREAM_OPTIONS,
    ),
    # Azure, older versions of its API
    (
        {"messages": [], "max_completion_tokens": 9},
        400,
        b'{"error": {"message": "Unrecognized request argument supplied: max_completion_tokens", '
        b'"type": "invalid_request_error", "param": null, "code": null}}',
        Change.MAX_TOKENS,
    ),
    # DashScope, https://github.com/infiniflow/ragflow/issues/5912
    (
        PLAIN,
        400,
        b'{"error": {"code": "invalid_parameter_error", "param": null, "message": "This model only support stream '
        b'mode, please enable the stream parameter to access the model. ", "type": "invalid_request_error"}}',
        Change.STREAMED,
    ),
    # Together, https://github.com/UKGovernmentBEIS/inspect_ai/pull/5149
    (
        {**PLAIN, "logprobs": 1},
        400,
        b'{"error": {"message": "Invalid JSON data: invalid type: integer `1`, expected a boolean", "param": null}}',
        Change.TOP_LOGPROBS,
    ),
    # OpenAI's completions, https://github.com/BerriAI/litellm/issues/10645
    (
        {**PLAIN, "logprobs": True},
        400,
        b'{"error": {"message": "Invalid type for \'logprobs\': expected an integer, but got a boolean instead.", '
        b'"type": "invalid_request_error", "param": "logprobs", "code": "invalid_type"}}',
        Change.COUNTED_LOGPROBS,
    ),
    # Llama Stack, https://github.com/ogx-ai/ogx/pull/5343
    (
        {"prompt": "x", "logprobs": 2},
        400,
        b'{"detail": {"errors": [{"loc": ["body", "logprobs"], "msg": "Input should be a valid boolean, unable to '
        b'interpret input"}]}}',
        Change.TOP_LOGPROBS,
    ),
    # Mistral
    (
        {"messages": [], "max_completion_tokens": 9},
        422,
        b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], '
        b'"msg": "Extra inputs are not permitted", "input": 9}]}',
        Change.MAX_TOKENS,
    ),
]
ABOUT_THE_REQUEST = [
    (PLAIN, 400, b'{"error": {"message": "max_tokens is too large: 99999. This model supports at most 4096"}}'),
    (PLAIN, 400, b'{"error": {"message": "Unsupported value: temperature 0.2", "param": "temperature"}}'),
    ({**PLAIN, "logprobs": 99}, 400, b'{"error": {"message": "logprobs: must be at most 20"}}'),
    (PLAIN, 400, b'{"error": {"message": "temperature: expected a boolean"}}'),
    (PLAIN, 400, b'{"error": {"message": "stream_options is not allowed when stream is off"}}'),
    (CHAT, 401, b'{"error": {"message": "Unsupported parameter max_tokens"}}'),
    (CHAT, 429, b'{"error": {"message": "stream_options unsupported"}}'),
    (CHAT, 400, b'{"error": {"message": "messages must not be empty"}}'),
    ({"prompt": "x", "max_tokens": 9}, 400, b'{"error": {"message": "Unsupported parameter: max_tokens"}}'),
    (PLAIN, 400, b'{"error": {"message": "Unsupported: streaming of max-stream"}}'),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "status", "raw", "change"), ASKED_OTHERWISE)
def test_a_refused_word_is_said_otherwise(asked: dict[str, Any], status: int, raw: bytes, change: Change) -> None:
    asked = {name: value for name, value in asked.items() if value is not None}
    assert find_change(error_from_response(status, raw, {}), asked) is change


@pytest.mark.parametrize(("asked", "status", "raw"), ABOUT_THE_REQUEST)
def test_a_refusal_of_what_was_asked_stays_one(asked: dict[str, Any], status: int, raw: bytes) -> None:
    assert find_change(error_from_response(status, raw, {}), asked) is None


def test_a_translation_says_the_same_and_leaves_the_request_alone() -> None:
    said = translate(CHAT, frozenset({Change.WHOLE, Change.MAX_COMPLETION_TOKENS}))
    assert said == {"messages": [], "max_completion_tokens": 9, "stream": False}
    assert translate(CHAT, frozenset()) == CHAT
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert translate(PLAIN, frozenset({Change.STREAMED})) == {**PLAIN, **options}
    assert translate(CHAT, frozenset({Change.STREAMED})) == CHAT
    both, counted = {"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}
    assert translate(both, frozenset({Change.COUNTED_LOGPROBS})) == counted
    assert translate({"logprobs": True}, frozenset({Change.COUNTED_LOGPROBS})) == {"logprobs": 1}
    assert translate(counted, frozenset({Change.TOP_LOGPROBS})) == both
    assert translate({"max_tokens": 1, "max_completion_tokens": 2}, frozenset({Change.MAX_COMPLETION_TOKENS})) == {
        "max_completion_tokens": 2
    }
