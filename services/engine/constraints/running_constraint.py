"""One text's way through its grammar: which tokens may come next.

Used by the model thread. While the model computes the next logits, another thread works out what will be forbidden in
them.
"""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from llguidance import LLMatcher
from torch import Tensor

from services.engine.errors import InvalidRequestError


class Constraint:
    """A text that is held to a grammar. `complete` once nothing more can come but its end."""

    def __init__(self, matcher: LLMatcher, param: str, vocabulary_size: int, masks: ThreadPoolExecutor) -> None:
        self.complete = False
        self._matcher = matcher
        self._param = param
        self._vocabulary_size = vocabulary_size
        self._masks = masks
        self._forbidden: Future[Tensor] = masks.submit(self._find_forbidden)

    def get_forbidden(self) -> Tensor:
        """Return which tokens must not come next, as booleans over the vocabulary. Raises: InvalidRequestError when the
        grammar has become too much to follow."""
        return self._forbidden.result()

    def accept(self, token: int) -> None:
        """Go on with a token that came. Raises: InvalidRequestError when the grammar has become too much to follow."""
        self._forbidden.result()
        if not self._matcher.consume_token(token):
            raise self._explain()
        self.complete = self._matcher.is_stopped()
        if not self.complete:
            self._forbidden = self._masks.submit(self._find_forbidden)

    def _find_forbidden(self) -> Tensor:
        # A byte for each token, nothing where it must not come; the tokenizer may know more tokens than the model.
        bias = bytearray(self._matcher.compute_logit_bias())
        forbidden = torch.frombuffer(bias, dtype=torch.uint8)[: self._vocabulary_size] == 0
        if self._matcher.is_error() or bool(forbidden.all()):
            raise self._explain()
        return forbidden

    def _explain(self) -> InvalidRequestError:
        reason = self._matcher.get_error() or "no token of this model leads on"
        return InvalidRequestError(
            f"The answer could not be held to {self._param} to its end ({' '.join(reason.split())[:300]}): "
            "ask for something simpler.",
            param=self._param,
            code="grammar_too_complex",
        )
