"""Cross-entropy over a large vocabulary, at the positions that carry loss only, without storing its logits.

The vocabulary head is most of a small model's work (Gemma 3 270M: 168 of 268 million weights). The gradient
with respect to the hidden state is made in the forward pass, chunk by chunk, and leaves out vocabulary entries
whose probability is below what bfloat16 could add, as in Cut Cross-Entropy (Wijmans et al., 2024, "gradient
filtering"). The head is frozen: it has no gradient of its own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ROWS_PER_CHUNK = 128
"""Tokens whose logits are in memory at once."""
NEGLIGIBLE_PROBABILITY = 2.0**-12
"""Relative to the row's likeliest entry. bfloat16 has 8 significant bits; below 2^-12 nothing is left of a term."""


@dataclass(frozen=True)
class TokenLosses:
    """Per selected position: `log_probabilities` of the targets (differentiable) and whether each was likeliest."""

    log_probabilities: Tensor
    correct: Tensor


def measure_tokens(hidden: Tensor, head_weight: Tensor, targets: Tensor) -> TokenLosses:
    """Return log p(target) for each row of `hidden` [n, d] under the head [vocabulary, d], in float32."""
    log_probabilities, correct = _TargetLogProbability.apply(hidden, head_weight, targets)
    return TokenLosses(log_probabilities, correct)


def measure_logits(logits: Tensor, targets: Tensor) -> TokenLosses:
    """Return the same from whole logits [n, vocabulary] in float32: for heads that do more than multiply."""
    log_probabilities = logits.log_softmax(dim=-1).gather(1, targets.unsqueeze(1)).squeeze(1)
    return TokenLosses(log_probabilities, logits.argmax(dim=-1) == targets)


class _TargetLogProbability(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        wants_gradient = ctx.needs_input_grad[0]
        pieces = [
            _forward_chunk(hidden[start : start + ROWS_PER_CHUNK], weight, chunk_targets, wants_gradient)
            for start, chunk_targets in _chunks(targets)
        ]
        correct = torch.cat([piece[1] for piece in pieces])
        ctx.mark_non_differentiable(correct)
        if wants_gradient:
            ctx.save_for_backward(torch.cat([piece[2] for piece in pieces]))
        return torch.cat([piece[0] for piece in pieces]), correct

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient_per_row,) = ctx.saved_tensors
        return (gradient_per_row * gradients[0].unsqueeze(1)).to(gradient_per_row.dtype), None, None


def _chunks(targets: Tensor) -> list[tuple[int, Tensor]]:
    starts = range(0, targets.shape[0], ROWS_PER_CHUNK)
    return [(start, targets[start : start + ROWS_PER_CHUNK]) for start in starts]


def _forward_chunk(
    hidden: Tensor, weight: Tensor, targets: Tensor, wants_gradient: bool
) -> tuple[Tensor, Tensor, Tensor]:
    logits = hidden @ weight.T
    largest, likeliest = logits.max(dim=-1, keepdim=True)
    target_logits = logits.gather(1, targets.unsqueeze(1)).float()
    scaled = logits.sub_(largest).exp_()  # in place: one chunk is 128 x 262,144 entries
    total = scaled.sum(dim=-1, keepdim=True, dtype=torch.float32)
    log_probabilities = (target_logits - largest.float() - total.log()).squeeze(1)
    correct = likeliest.squeeze(1) == targets
    if not wants_gradient:
        return log_probabilities, correct, hidden
    return log_probabilities, correct, _hidden_gradient(scaled, total, weight, targets)


def _hidden_gradient(scaled: Tensor, total: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The derivative of log p(target) by the hidden state: W[target] - sum over the vocabulary of p · W."""
    noticeable = (scaled.amax(dim=0) > NEGLIGIBLE_PROBABILITY).nonzero().squeeze(1)
    probabilities = (scaled[:, noticeable].float() / total).to(weight.dtype)
    return weight[targets] - probabilities @ weight[noticeable]
