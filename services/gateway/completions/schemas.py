"""The body of a completion request. Unknown fields pass on to the provider; null means absent."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from services.gateway.http.request_body import RequestBody
from shared.outside.prices.worst_case import MOST_TOKENS

TokenIds = Annotated[list[int], Field(min_length=1, fail_fast=True)]
"""Only the first error of a request is told, so lists are read no further than that."""
StopStrings = str | Annotated[list[str], Field(max_length=4, fail_fast=True)]
Texts = Annotated[list[str], Field(fail_fast=True)]
Prompts = str | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True)]


class StreamOptions(RequestBody):
    """How a stream is to be told."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool | None = None


class SamplingRequest(RequestBody):
    """What completions and chat have in common."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, max_length=512, examples=["text-davinci-003"])
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=128)
    max_tokens: int | None = Field(None, ge=0, le=MOST_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=0, le=MOST_TOKENS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: StopStrings | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None

    def wants_usage(self) -> bool:
        """Say whether a stream ends with a chunk of usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(SamplingRequest):
    """The body of `POST /v1/completions`."""

    prompt: Prompts | None = Field(None, examples=["汉,冰冻大海,艰难 ->"])
    best_of: int | None = Field(None, ge=1, le=128)
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)
    suffix: str | None = None

    def prompts(self) -> list[str | list[int]]:
        """Return the prompts one by one; no prompt at all is one empty prompt."""
        prompt = self.prompt
        if prompt is None:
            return [""]
        if isinstance(prompt, str) or not prompt:
            return [prompt] if isinstance(prompt, str) else []
        if isinstance(prompt[0], int):
            return [[token for token in prompt if isinstance(token, int)]]
        return [part for part in prompt if not isinstance(part, int)]


def provider_fields(body: SamplingRequest, left_out: frozenset[str]) -> dict[str, Any]:
    """Return the fields that go to the provider as they are: those given, not null, not `left_out`."""
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    return {name: value for name, value in given.items() if name not in left_out}
