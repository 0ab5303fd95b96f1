"""Counts what a model keeps for the backward pass, by looking: two short passes tell the bytes for any length.

No formula of widths holds for all families: norms, gates, experts and kinds of attention keep different things.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SHORT, LONG = 32, 96
"""Tokens of the two passes: two lengths tell the linear part from the quadratic one."""


@dataclass(frozen=True)
class KeptBytes:
    """Bytes kept by a pass, for each token, and for each pair of tokens where attention writes its scores down."""

    per_token: float
    per_token_squared: float
    layers: int
    hidden_bytes: int

    def at(self, tokens: int, *, checkpointed: bool = False) -> int:
        """Return the bytes of a pass of that many tokens. Checkpointed, all layers keep their input, one the rest."""
        whole = self.per_token * tokens + self.per_token_squared * tokens**2
        if not checkpointed:
            return int(whole)
        return int(whole / self.layers + self.layers * self.hidden_bytes * tokens)


def measure_kept(causal_model: Any, longest: int | None = None) -> KeptBytes:
    """Count on a causal model whose adapter learns; nothing is changed."""
    long = min(LONG, longest or LONG)
    short = max(1, min(SHORT, long // 3))
    few, many = _count(causal_model, short) / short, _count(causal_model, long) / long
    squared = max(0.0, (many - few) / (long - short)) if long > short else 0.0
    config = causal_model.config.get_text_config()
    width = config.hidden_size * next(causal_model.parameters()).element_size()
    return KeptBytes(few - squared * short, squared, config.num_hidden_layers, width)


def _count(causal_model: Any, tokens: int) -> int:
    weights = (*causal_model.parameters(), *causal_model.buffers())
    seen = {weight.untyped_storage().data_ptr() for weight in weights}
    total = 0

    def look(tensor: Tensor) -> Tensor:
        nonlocal total
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
        return tensor

    device = next(causal_model.parameters()).device
    ids = torch.arange(tokens, device=device).unsqueeze(0) % causal_model.get_input_embeddings().weight.shape[0]
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        output = causal_model.base_model(input_ids=ids, use_cache=False)
        kept = output.last_hidden_state  # holds the graph, and with it the storages, until all are counted
    del kept
    return total
