"""What the serving side asks of the batch, and what comes back."""

from dataclasses import dataclass, field
from enum import StrEnum

from services.engine.constraints.compiler import CompiledGrammar
from services.engine.model.adapter import Adapter


class Priority(StrEnum):
    """Interactive requests are admitted before those of volume runs."""

    INTERACTIVE = "interactive"
    VOLUME = "volume"


@dataclass(frozen=True)
class SamplingOptions:
    """How the next token is chosen. Ranges are checked at the edge."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    # How many alternatives to report per token; None: no logprobs at all.
    top_logprobs: int | None = None


@dataclass(frozen=True)
class SequenceRequest:
    """One text to write: a prompt in tokens, the adapter to write it with, and when to end.

    With `max_tokens` 0 the prompt is read and nothing is written. `score_prompt` asks how likely each token of the
    prompt is, with as many alternatives as `sampling` says. A `grammar` holds the text to its form. `embeds` asks for
    nothing but where the prompt stands among others: the mean of what the model's last layer makes of its tokens.
    With `ignore_eos` the model cannot end the text by itself.
    """

    prompt: list[int]
    max_tokens: int
    sampling: SamplingOptions
    stops: tuple[str, ...] = ()
    adapter: Adapter | None = None
    score_prompt: bool = False
    grammar: CompiledGrammar | None = None
    embeds: bool = False
    ignore_eos: bool = False


@dataclass(frozen=True)
class TokenLogprob:
    """A token of a text, its logarithmic probability, and the most likely tokens at its place."""

    token: int
    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True)
class Delta:
    """New text of one sequence. The last delta of a sequence carries `finish_reason`.

    The first delta of a scored prompt carries `prompt_logprobs`, from the prompt's second token on; the only one of an
    embedded prompt its `embedding`: 32-bit floats, little end first, of length 1 together.
    """

    index: int
    text: str
    tokens: int
    logprobs: list[TokenLogprob]
    finish_reason: str | None = None
    prompt_logprobs: list[TokenLogprob] | None = None
    embedding: bytes | None = None
