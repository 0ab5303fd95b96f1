"""One text being written: its tokens so far and what of them may be shown. Owned by the model thread."""

from collections.abc import Sequence as SequenceOf
from typing import Any

from torch import Tensor

from services.engine.batching.embedding import encode_mean
from services.engine.batching.requests import Delta, SequenceRequest, TokenLogprob
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sampling import Sampler
from services.engine.batching.text import StopScanner, TextStream


class RunningSequence:
    """A sequence in the batch. `cached` tokens of it are in its slot of the cache."""

    def __init__(self, running: RunningRequest, index: int, request: SequenceRequest, tokenizer: Any) -> None:
        self.running = running
        self.index = index
        self.request = request
        self.sampler = Sampler(request.sampling)
        self.constraint = request.grammar.start() if request.grammar is not None else None
        self.tokens = list(request.prompt)
        self.cached = 0
        self.written = 0
        self.finished = False
        self._text = TextStream(tokenizer, request.prompt)
        self._stops = StopScanner(request.stops)
        self._logprobs: list[TokenLogprob] = []
        self._prompt_logprobs: list[TokenLogprob] = []
        self._states: Tensor | None = None
        self._untold = 0

    @property
    def waiting_tokens(self) -> int:
        """Tokens that the model has not read yet; more than one while the prompt is being read."""
        return len(self.tokens) - self.cached

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the text any more."""
        return self.running.cancelled

    @property
    def scores(self) -> bool:
        """Whether the prompt is being read to say how likely its tokens are."""
        return self.request.score_prompt and self.cached < len(self.request.prompt)

    @property
    def embeds(self) -> bool:
        """Whether the prompt is read for its embedding alone."""
        return self.request.embeds

    def note_states(self, states: Tensor) -> None:
        """Add the sum of the last layer's states of the next tokens of the prompt."""
        self._states = states if self._states is None else self._states + states

    def note_scores(self, logprobs: list[TokenLogprob]) -> None:
        """Keep the scores of the next tokens of the prompt."""
        self._prompt_logprobs += logprobs

    def end_prompt(self) -> Delta | None:
        """Note that the prompt has been read; return what there is to tell already: scores, an embedding, the end."""
        self.finished = self.request.max_tokens == 0
        if self._states is not None:
            return Delta(self.index, "", 0, [], "stop", embedding=encode_mean(self._states))
        if not self.finished and not self.request.score_prompt:
            return None
        scores = self._prompt_logprobs if self.request.score_prompt else None
        return Delta(self.index, "", 0, [], "length" if self.finished else None, scores)

    def accept(self, token: int, logprob: TokenLogprob | None, end_tokens: SequenceOf[int]) -> Delta | None:
        """Take the chosen token; return what to tell the client, None if nothing new can be shown."""
        if token in end_tokens:
            return self._finish(self._stops.flush(), "stop")
        if self.constraint is not None:
            self.constraint.accept(token)
        self.tokens.append(token)
        self.written += 1
        self._untold += 1
        if logprob is not None:
            self._logprobs.append(logprob)
        text, stopped = self._stops.push(self._text.push(token))
        if stopped:
            return self._finish(text, "stop")
        if self.constraint is not None and self.constraint.complete:
            return self._finish(text + self._stops.flush(), "stop")
        if self.written >= self.request.max_tokens:
            return self._finish(text + self._stops.flush(), "length")
        return self._tell(text, None) if text else None

    def _finish(self, text: str, reason: str) -> Delta:
        self.finished = True
        return self._tell(text, reason)

    def _tell(self, text: str, reason: str | None) -> Delta:
        delta = Delta(self.index, text, self._untold, self._logprobs, reason)
        self._logprobs, self._untold = [], 0
        return delta
