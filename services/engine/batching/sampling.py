"""Chooses the next token of every row of a batch.

Each sequence draws one uniform number per token from its own generator and looks it up in the distribution
sorted by probability. So its choices depend on its seed and its logits, not on who shares the batch. (In bf16 the
logits themselves move in the last digits with the batch's size; in float32 hardly ever enough to matter.)
"""

import math
import random
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from services.engine.batching.requests import SamplingOptions, TokenLogprob

GREEDY_BELOW = 1e-4
"""Below this, sampling is greedy: dividing by it would overflow."""
IMPOSSIBLE = -9999.0
"""What OpenAI says of a token that cannot come: JSON has no infinity."""
CANDIDATES = 256
"""The candidates sorted at once; the whole vocabulary (262144: 20 ms) only when the draw falls outside."""


class Sampler:
    """The sampling state of one sequence."""

    def __init__(self, options: SamplingOptions) -> None:
        self.options = options
        self.random = random.Random(options.seed)  # noqa: S311 not for secrets
        self.counts: Counter[int] = Counter()
        # Which tokens must not come next, as booleans; None where all may.
        self.forbidden: Tensor | None = None

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.options.temperature < GREEDY_BELOW

    def adjust(self, logits: Tensor) -> None:
        """Apply penalties, bias and what is forbidden to one row, in place."""
        options = self.options
        if self.counts and (options.presence_penalty or options.frequency_penalty):
            seen = torch.tensor(list(self.counts), device=logits.device)
            times = torch.tensor(list(self.counts.values()), device=logits.device, dtype=logits.dtype)
            logits[seen] -= options.presence_penalty + options.frequency_penalty * times
        if options.logit_bias:
            tokens = torch.tensor(list(options.logit_bias), device=logits.device)
            logits[tokens] += torch.tensor(list(options.logit_bias.values()), device=logits.device)
        if self.forbidden is not None:
            logits.masked_fill_(self.forbidden.to(logits.device), -math.inf)


def choose_tokens(logits: Tensor, samplers: Sequence[Sampler]) -> tuple[list[int], list[TokenLogprob | None]]:
    """Choose one token per row of `logits` (rows x vocabulary, float32; changed in place)."""
    for row, sampler in zip(logits, samplers, strict=True):
        sampler.adjust(row)
    tokens: list[int] = logits.argmax(-1).tolist()
    drawn = [row for row, sampler in enumerate(samplers) if not sampler.greedy]
    if drawn:
        for row, token in zip(drawn, _draw(logits, drawn, samplers), strict=True):
            tokens[row] = token
    for sampler, token in zip(samplers, tokens, strict=True):
        sampler.counts[token] += 1
    return tokens, [_report(row, token, s) for row, token, s in zip(logits, tokens, samplers, strict=True)]


def _draw(logits: Tensor, rows: list[int], samplers: Sequence[Sampler]) -> list[int]:
    chosen = logits if len(rows) == len(samplers) else logits[rows]
    temperatures = torch.tensor([samplers[row].options.temperature for row in rows], device=logits.device)
    scaled = chosen / temperatures[:, None]
    top, tokens = scaled.topk(min(CANDIDATES, scaled.shape[-1]), dim=-1)
    sums = (top - scaled.logsumexp(-1, keepdim=True)).exp().cumsum(-1).cpu()
    tokens = tokens.cpu()
    return [_look_up(samplers[row], sums[place], tokens[place], scaled[place]) for place, row in enumerate(rows)]


def _look_up(sampler: Sampler, sums: Tensor, tokens: Tensor, scaled: Tensor) -> int:
    """Find the token in whose share of the kept probability the drawn number falls."""
    top_p = sampler.options.top_p
    draw = sampler.random.random()
    covered = float(sums[-1])
    if covered < top_p and (top_p < 1 or draw > covered):
        probabilities, tokens = scaled.softmax(-1).cpu().sort(descending=True)
        sums = probabilities.cumsum(-1)
    kept = len(sums) if top_p >= 1 else min(int(torch.searchsorted(sums, top_p)) + 1, len(sums))
    total = float(sums[kept - 1]) if top_p < 1 else 1.0
    # Where the sum has reached its end, what follows has no share: rounding must not lead there.
    last = int(torch.searchsorted(sums[:kept], sums[kept - 1]))
    place = min(int(torch.searchsorted(sums[:kept], draw * total, right=True)), last)
    return int(tokens[place])


def _report(logits: Tensor, token: int, sampler: Sampler) -> TokenLogprob | None:
    wanted = sampler.options.top_logprobs
    if wanted is None:
        return None
    logprobs = logits.log_softmax(-1).clamp(min=IMPOSSIBLE)
    values, tokens = logprobs.topk(max(wanted, 1))
    top = list(zip(tokens.tolist(), values.tolist(), strict=True))[:wanted]
    return TokenLogprob(token, float(logprobs[token]), top)
