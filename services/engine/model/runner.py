"""Runs the model on a batch whose rows are at different positions and use different adapters.

Owned by one thread. Knows token ids and slots; nothing of requests, text or sampling.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from services.engine.admission.refusal import BaseRefusedError
from services.engine.model.adapter import Adapter
from services.engine.model.positions import find_longest_positions
from services.engine.model.slot_cache import SlotCache
from services.engine.model.switchboard import Switchboard, switch_linears

LAYER_KINDS = {"full_attention", "sliding_attention"}
"""Attention alone: a batch with one position per row cannot run other layers."""


class UnsupportedModelError(BaseRefusedError):
    """The model has layers that a batch with one position per row cannot run."""


class ModelRunner:
    """A base model with switched linear layers and a cache of `slots` sequences."""

    def __init__(self, model: Any, slots: int, context_length: int, *, packed: bool = True) -> None:
        config = model.config.get_text_config()
        self.kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if not self.kinds <= LAYER_KINDS:
            raise UnsupportedModelError(
                f"The model has layers of kind {sorted(self.kinds - LAYER_KINDS)}, and a batch can only be run through "
                f"{sorted(LAYER_KINDS)}: choose a model with attention alone, or serve this one elsewhere."
            )
        self.window: int | None = getattr(config, "sliding_window", None)
        self.model = model
        self.device: torch.device = model.device
        self.dtype: torch.dtype = model.dtype
        self.vocabulary_size: int = config.vocab_size
        self.hidden_size: int = config.hidden_size
        self.context_length = min(context_length, find_longest_positions(model.config) or context_length)
        self.cache = SlotCache(slots, self.context_length)
        self.board = Switchboard()
        self.linears = switch_linears(model, self.board, packed=packed)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def run(
        self,
        first_slot: int,
        tokens: Sequence[Sequence[int]],
        starts: Sequence[int],
        adapters: Sequence[Adapter | None],
    ) -> Tensor:
        """Feed row i (slot first_slot + i) its `tokens`, which begin at position `starts[i]`.

        Rows may have different numbers of tokens: shorter ones are padded on the left. Returns float32 logits
        (rows x vocabulary) after each row's last token.
        """
        return self._forward(first_slot, tokens, starts, adapters, 1)[:, -1].float()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def run_one(self, slot: int, tokens: Sequence[int], start: int, adapter: Adapter | None) -> Tensor:
        """As `run` for one row; returns float32 logits (tokens x vocabulary) after each of its tokens.

        Keep the tokens few: with Gemma 3, each takes 1.5 MB of logits.
        """
        return self._forward(slot, [tokens], [start], [adapter], len(tokens))[0].float()

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def sum_states(
        self,
        first_slot: int,
        tokens: Sequence[Sequence[int]],
        starts: Sequence[int],
        adapters: Sequence[Adapter | None],
    ) -> Tensor:
        """As `run`; returns float32 sums (rows x hidden size) of the last layer's states over each row's tokens."""
        states = self.model.base_model(**self._prepare(first_slot, tokens, starts, adapters)).last_hidden_state.float()
        return torch.stack([row[-len(given) :].sum(0) for row, given in zip(states, tokens, strict=True)])

    def _forward(
        self,
        first_slot: int,
        tokens: Sequence[Sequence[int]],
        starts: Sequence[int],
        adapters: Sequence[Adapter | None],
        logits_to_keep: int,
    ) -> Tensor:
        inputs = self._prepare(first_slot, tokens, starts, adapters)
        logits: Tensor = self.model(**inputs, logits_to_keep=logits_to_keep).logits
        return logits

    def _prepare(
        self,
        first_slot: int,
        tokens: Sequence[Sequence[int]],
        starts: Sequence[int],
        adapters: Sequence[Adapter | None],
    ) -> dict[str, Any]:
        """Return what the model is called with, the cache and the adapters set for it."""
        width = max(map(len, tokens))
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in tokens])
        ends = torch.tensor([start + len(row) for row, start in zip(tokens, starts, strict=True)])
        columns = ends[:, None] + torch.arange(-width, 0)
        columns = torch.where(columns < torch.tensor(starts)[:, None], -1, columns).to(self.device)
        span = int(ends.max())
        self.cache.reserve(span)
        self.cache.begin(first_slot, columns, span)
        self.board.select(adapters, self.device)
        positions = columns.clamp(min=0)
        return {
            "input_ids": ids.to(self.device),
            "attention_mask": self._build_masks(positions, span),
            "position_ids": positions,
            "past_key_values": self.cache,
            "use_cache": True,
        }

    def _build_masks(self, positions: Tensor, span: int) -> Tensor | dict[str, Tensor]:
        distance = positions[:, None, :, None] - torch.arange(span, device=self.device)
        full = self._to_additive(distance >= 0)
        if self.window is None:
            return {"full_attention": full} if self._takes_masks_by_kind() else full
        sliding = self._to_additive((distance >= 0) & (distance < self.window)) if span > self.window else full
        if self._takes_masks_by_kind():
            return {"full_attention": full, "sliding_attention": sliding}
        return sliding

    def _takes_masks_by_kind(self) -> bool:
        return "sliding_attention" in self.kinds

    def _to_additive(self, allowed: Tensor) -> Tensor:
        mask = torch.zeros(allowed.shape, dtype=self.dtype, device=self.device)
        return mask.masked_fill_(~allowed, torch.finfo(self.dtype).min)
