"""How a model makes logits from its last hidden state: found by trying, and held to the model's own logits bit by bit.

Known heads are applied to the selected tokens alone and in pieces. (Whole logits of 300 tokens over Gemma's vocabulary
are 0.3 GB in float32, several times over.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from services.engine.training.completion_loss import ROWS_PER_CHUNK, TokenLosses, measure_logits, measure_tokens

Finish = Callable[[Tensor], Tensor]
TRIED_TOKENS = 4
"""Tokens of the pass that is compared with the model's own logits."""


@dataclass(frozen=True)
class OutputHead:
    """A linear layer, and what is done to its outputs (None: nothing)."""

    layer: Any
    finish: Finish | None

    @property
    def plain(self) -> bool:
        """Whether logits are hidden state times weight and nothing else."""
        return self.finish is None and self.layer.bias is None

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of hidden states, as the model itself makes them."""
        found: Tensor = self.layer(hidden)
        return found if self.finish is None else self.finish(found)

    def measure(self, hidden: Tensor, targets: Tensor) -> TokenLosses:
        """Return log p(target) of each row of `hidden` [n, d], in float32, a chunk of rows at a time."""
        if self.plain:
            return measure_tokens(hidden, self.layer.weight, targets)
        pieces = [
            checkpoint(self._measure_chunk, part, wanted, use_reentrant=False)
            for part, wanted in zip(hidden.split(ROWS_PER_CHUNK), targets.split(ROWS_PER_CHUNK), strict=True)
        ]
        return TokenLosses(torch.cat([one for one, _ in pieces]), torch.cat([correct for _, correct in pieces]))

    def _measure_chunk(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        losses = measure_logits(self.logits(hidden).float(), targets)
        return losses.log_probabilities, losses.correct


@torch.no_grad()  # type: ignore[untyped-decorator]
def find_head(model: Any, device: torch.device) -> OutputHead | None:
    """Return the model's head, or None where none of the known ones gives the model's own logits."""
    layer = model.get_output_embeddings()
    if not isinstance(layer, torch.nn.Linear):
        return None
    tokens = torch.arange(1, TRIED_TOKENS + 1, device=device).unsqueeze(0)
    expected = model(input_ids=tokens, use_cache=False).logits
    output = model.base_model(input_ids=tokens, use_cache=False)
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None or hidden.shape[-1] != layer.in_features:
        return None
    for finish in _list_finishes(model.config.get_text_config()):
        head = OutputHead(layer, finish)
        if torch.equal(head.logits(hidden), expected):
            return head
    return None


def _list_finishes(config: Any) -> Iterator[Finish | None]:
    """Softcaps first: on small logits one is too close to nothing at all to be told from it."""
    if cap := getattr(config, "final_logit_softcapping", None):
        yield lambda logits: torch.tanh(logits / cap) * cap
    if scale := getattr(config, "logit_scale", None):
        yield lambda logits: logits * scale
    if divisor := getattr(config, "logits_scaling", None):
        yield lambda logits: logits / divisor
    yield None
