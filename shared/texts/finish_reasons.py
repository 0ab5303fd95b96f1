"""Why a model stopped writing, as providers spell it. For stories and for rows of files."""

from typing import Final

REASON_COLUMN: Final = "finish_reason"
"""As the provider called it; a run's stories and exported stories carry it."""
CUT_OFF: Final = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS"})
"""The text ended at a token limit: OpenAI's spelling, Anthropic's, the Responses API's, Gemini's."""
