"""The bodies of the tokenizing routes: vLLM's, and llama.cpp's (`content`). Unknown fields pass on to the server."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from services.gateway.chat.schemas import EXAMPLE, ChatMessage
from services.gateway.http.body_rules import need_exactly_one
from services.gateway.http.request_body import RequestBody

ONE_OF = ("prompt", "messages", "content")


class TokenizeRequest(RequestBody):
    """The body of `POST /tokenize`: one of a prompt, a chat's messages, and llama.cpp's content."""

    model_config = ConfigDict(extra="allow", json_schema_extra=need_exactly_one(*ONE_OF))

    model: str | None = Field(None, max_length=512, description="Without one, the built-in server's own model.")
    prompt: str | None = Field(None, examples=["汉,冰冻大海,艰难 ->"])
    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True, examples=[EXAMPLE])] | None = None
    content: str | None = Field(None, description="llama.cpp's word; the answer is then in llama.cpp's words, too.")
    tools: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    return_token_strs: bool | None = None
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in ONE_OF) != 1:
            raise ValueError("give a prompt, or the messages of a chat, or content")
        return self


class DetokenizeRequest(RequestBody):
    """The body of `POST /detokenize`."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, max_length=512)
    tokens: Annotated[list[Annotated[int, Field(ge=0)]], Field(fail_fast=True, examples=[[2, 236]])]
