"""Says how likely the tokens of a given text are, from the logits before them. Knows nothing of sequences."""

from collections.abc import Sequence

from torch import Tensor

from services.engine.batching.requests import TokenLogprob

PIECE_TOKENS = 64
"""Prompt tokens read and scored in one step: between two steps of running streams, and each with logits of its own
over the whole vocabulary (Gemma 3: 1 MB in float32)."""


def score_tokens(logits: Tensor, tokens: Sequence[int], top_count: int) -> list[TokenLogprob]:
    """Return each token's place in the distribution before it; `logits` are tokens x vocabulary, in float32."""
    if not tokens:
        return []
    sums = logits.logsumexp(-1, keepdim=True)
    chosen = logits.gather(-1, logits.new_tensor(tokens).long()[:, None]) - sums
    values, places = logits.topk(max(top_count, 1))
    likeliest = (values - sums).tolist()
    return [
        TokenLogprob(token, logprob, list(zip(row, row_values, strict=True))[:top_count])
        for token, (logprob,), row, row_values in zip(tokens, chosen.tolist(), places.tolist(), likeliest, strict=True)
    ]
