"""Why a model stopped writing, as providers spell it. For what they answer, for stories and for rows of files."""

from enum import StrEnum
from typing import Final

REASON_COLUMN: Final = "finish_reason"
"""A run's stories and exported stories carry it: OpenAI's word where the provider's is known, else the provider's."""


class Ending(StrEnum):
    """What a reason says of the text; the value is OpenAI's word for it."""

    STOP = "stop"
    """An orderly end: the text is whole."""
    LENGTH = "length"
    """The text ended at a limit of tokens."""
    FILTERED = "content_filter"
    TOOL_CALLS = "tool_calls"
    """The model waits for what a tool says."""
    FAILED = "error"
    """The provider broke off; what there is of the text is a part of it."""
    UNKNOWN = "unknown"


CUT_OFF: Final = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"})
"""Spellings of `length` in rows that clients bring: OpenAI's, Anthropic's, the Responses API's, Gemini's."""
NO_REASON: Final = frozenset({"", "null", "none", "unspecified"})
"""Spellings of nothing: DashScope writes `"null"` into each chunk, Gemini has
`FINISH_REASON_UNSPECIFIED`."""
SPELLINGS: Final[dict[Ending, tuple[str, ...]]] = {
    Ending.STOP: (
        "stop", "eos", "eos_token", "eos_found", "eosfound", "end_turn", "endturn", "stop_sequence", "stopsequence",
        "stop_string_found", "stopstringfound", "stop_token", "stop_word", "word", "stopped", "end", "end_of_text",
        "endoftext", "end_of_turn", "complete", "completed", "finish", "finished", "done", "normal", "success",
    ),
    Ending.LENGTH: (
        "length", "limit", "max_tokens", "maxtokens", "max_output_tokens", "max_output", "max_length", "max_new_tokens",
        "max_completion_tokens", "model_length", "token_limit", "context_length", "contextlengthreached", "incomplete",
        "maxpredictedtokensreached", "model_context_window_exceeded", "context_window_exceeded", "error_limit",
    ),
    Ending.FILTERED: (
        "content_filter", "content_filtered", "contentfilter", "filter", "filtered", "safety", "recitation",
        "blocklist", "blocked", "prohibited_content", "spii", "sensitive", "moderation", "refusal", "error_toxic",
        "guardrail_intervened", "image_safety", "content_policy_violation", "flagged", "violation", "language",
    ),
    Ending.TOOL_CALLS: ("tool_calls", "tool_call", "tool_use", "toolcalls", "tool_code", "function_call"),
    Ending.FAILED: (
        "error", "errored", "failed", "failure", "network_error", "server_error", "internal_error", "upstream_error",
        "provider_error", "insufficient_system_resource", "abort", "aborted", "cancel", "cancelled", "canceled",
        "user_cancel", "userstopped", "interrupted", "timeout", "time_limit", "not_finished", "modelunloaded",
        "malformed_function_call", "malformed_response", "unexpected_tool_call", "too_many_tool_calls",
    ),
}  # fmt: skip
"""In lower case, `_` for blanks and dashes. OpenAI, Azure, Anthropic, Gemini, Mistral, DeepSeek, Cohere, Bedrock,
Zhipu, Together, TGI, llama.cpp, vLLM, SGLang, LM Studio, watsonx, OpenRouter (whose `native_finish_reason` has all)."""
ENDINGS: Final = {spelling: ending for ending, spellings in SPELLINGS.items() for spelling in spellings}


def find_ending(reason: str) -> Ending:
    """Return what a provider's finish reason says, however it is spelled."""
    return ENDINGS.get(spell(reason), Ending.UNKNOWN)


def says_nothing(reason: str) -> bool:
    """Say whether a finish reason is a word for none."""
    return spell(reason) in NO_REASON


def spell(reason: str) -> str:
    """Return a reason as the tables here spell it."""
    spelled = reason.strip().lower().replace("-", "_").replace(" ", "_")
    return spelled.removeprefix("finishreason.").removeprefix("finish_reason_")  # as enums print themselves


def name_reason(reason: str) -> str:
    """Return OpenAI's word for a provider's reason, or the provider's own where it is not known or has no twin."""
    ending = find_ending(reason)
    return reason.strip() if ending is Ending.UNKNOWN or spell(reason) == "function_call" else ending.value
