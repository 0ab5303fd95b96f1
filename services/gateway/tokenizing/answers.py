"""What the tokenizing routes answer, as it is told to machines, and as a server's answer is read."""

from pydantic import BaseModel, ConfigDict


class SpelledToken(BaseModel):
    """A token and what it stands for: text, or bytes where it is a part of a character."""

    id: int
    piece: str | list[int]


class Tokenized(BaseModel):
    """The tokens. llama.cpp's clients get these alone, with their pieces where they want them."""

    model_config = ConfigDict(extra="allow", strict=True)
    tokens: list[int] | list[SpelledToken]
    count: int | None = None
    max_model_len: int | None = None
    token_strs: list[str] | None = None


class Detokenized(BaseModel):
    """The text of tokens, as vLLM and as llama.cpp call it."""

    model_config = ConfigDict(extra="allow")
    prompt: str
    content: str


class TokenizerInfo(BaseModel):
    """What the model's `tokenizer_config.json` says, as far as its server tells."""

    model_config = ConfigDict(extra="allow")
    tokenizer_class: str
