"""The request bodies of completions and chat. Nulls mean defaults; unknown fields are ignored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from services.engine.batching.requests import SamplingOptions
from services.engine.errors import InvalidRequestError
from services.engine.whole_numbers import to_whole

Integer = Annotated[StrictInt, BeforeValidator(to_whole)]
TokenIds = Annotated[list[Integer], Field(fail_fast=True)]
Texts = Annotated[list[str], Field(fail_fast=True)]
Objects = Annotated[list[dict[str, Any]], Field(fail_fast=True)]
"""Only the first error of a request is told, so lists are read no further than that."""
Finite = Annotated[float, Field(allow_inf_nan=False)]


class StreamOptions(BaseModel):
    """What a stream carries beside its text."""

    include_usage: bool | None = None


class CommonBody(BaseModel):
    """What completions and chat share."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    n: Annotated[Integer, Field(ge=1)] | None = None
    max_tokens: Annotated[Integer, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[Integer, Field(ge=1)] | None = None
    temperature: Annotated[Finite, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Finite, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[Finite, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Finite, Field(ge=-2, le=2)] | None = None
    seed: Integer | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logit_bias: dict[str, Annotated[Finite, Field(ge=-100, le=100)]] | None = None
    priority: str | int | None = None
    # vLLM's: the text goes on up to its bound, as benchmarks want it.
    ignore_eos: bool | None = None
    # What holds the answers to a form; read, and refused, by `formats`.
    response_format: dict[str, Any] | None = None
    structured_outputs: dict[str, Any] | None = None
    guided_json: str | dict[str, Any] | None = None
    guided_json_object: bool | None = None
    guided_regex: str | None = None
    guided_choice: Texts | None = None
    guided_grammar: str | None = None
    guided_whitespace_pattern: Any = None
    guided_decoding_backend: Any = None

    def read_stops(self) -> tuple[str, ...]:
        """Return the stop strings. Raises: InvalidRequestError for more than four or an empty one."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(stops) > 4:
            raise InvalidRequestError("At most 4 stop sequences are allowed.", param="stop")
        return tuple(stop for stop in stops if stop)

    def read_bias(self, vocabulary_size: int) -> dict[int, float]:
        """Return the bias by token id. Raises: InvalidRequestError for an id that does not exist."""
        try:
            bias = {int(token): value for token, value in (self.logit_bias or {}).items()}
        except ValueError as error:
            raise InvalidRequestError("logit_bias maps token ids to numbers.", param="logit_bias") from error
        if any(not 0 <= token < vocabulary_size for token in bias):
            raise InvalidRequestError("logit_bias names a token that does not exist.", param="logit_bias")
        return bias

    def read_sampling(self, vocabulary_size: int, choice: int, top_logprobs: int | None) -> SamplingOptions:
        """Return how choice number `choice` is sampled; each choice has a seed of its own."""
        return SamplingOptions(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=None if self.seed is None else self.seed + choice,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=self.read_bias(vocabulary_size),
            top_logprobs=top_logprobs,
        )


class CompletionBody(CommonBody):
    """POST /v1/completions. With `echo`, `max_tokens` may be 0: nothing is written."""

    max_tokens: Annotated[Integer, Field(ge=0)] | None = None
    prompt: str | TokenIds | Texts | Annotated[list[TokenIds], Field(fail_fast=True)] | None = None
    echo: bool | None = None
    logprobs: Annotated[Integer, Field(ge=0, le=5)] | None = None
    best_of: Annotated[Integer, Field(ge=1)] | None = None
    suffix: str | None = None

    @property
    def scores_prompt(self) -> bool:
        """Whether the answer says how likely the prompt's tokens are."""
        return bool(self.echo) and self.logprobs is not None


class EmbeddingBody(BaseModel):
    """POST /v1/embeddings."""

    model: str | None = None
    input: str | TokenIds | Texts | Annotated[list[TokenIds], Field(fail_fast=True)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[Integer, Field(ge=1)] | None = None
    priority: str | int | None = None


class ChatMessage(BaseModel):
    """One message: text, and the calls of functions or the result of one."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: Objects | None = None
    tool_call_id: str | None = None
    function_call: Any = None

    def read_text(self, place: int) -> str:
        """Return the text of the message. Raises: InvalidRequestError for pictures and the like."""
        if not isinstance(self.content, list):
            return self.content or ""
        for part in self.content:
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise InvalidRequestError("Only text content is supported.", param=f"messages[{place}].content")
        return "".join(part["text"] for part in self.content)


class ChatBody(CommonBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True)]
    logprobs: bool | None = None
    top_logprobs: Annotated[Integer, Field(ge=0, le=20)] | None = None
    tools: Objects | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    # Refused by `chat`, as what is not supported.
    modalities: tuple[str, ...] | None = None
    functions: Any = None
    function_call: Any = None
    audio: Any = None
    web_search_options: Any = None
