"""A frozen base model with a trainable LoRA adapter, and the forward pass that training needs.

Base weights stay as loaded (bfloat16); adapter weights are float32, since small updates vanish in bfloat16.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from services.engine.training.completion_loss import TokenLosses, measure_tokens
from services.engine.training.encoding import TrainingSequence


@dataclass(frozen=True)
class LoraShape:
    """Size of a fresh adapter; an adapter that goes on learning keeps its own."""

    rank: int
    alpha: int
    dropout: float = 0.0


class TunableModel:
    """What the loop trains: `parameters` learn, `measure` gives per-token losses."""

    def __init__(self, peft_model: Any, padding_token: int) -> None:
        self.peft_model = peft_model
        self._causal_model = peft_model.get_base_model()
        self._padding_token = padding_token
        self.device = next(peft_model.parameters()).device
        self.parameters: list[Tensor] = [p for p in peft_model.parameters() if p.requires_grad]
        self._has_plain_head = self._check_head()

    def measure(self, sequences: Sequence[TrainingSequence], prompt_too: bool) -> tuple[TokenLosses, Tensor]:
        """Run the sequences in one pass; return losses of the selected tokens and whether each is learned.

        Selected are the learned tokens, with `prompt_too` every token but the first, in the sequences' order.
        """
        tokens, mask = self._pad(sequences)
        rows, columns, learned = _select(sequences, prompt_too)
        targets = tokens[rows, columns]
        before = columns - 1
        if self._has_plain_head:
            hidden = self._causal_model.base_model(input_ids=tokens, attention_mask=mask, use_cache=False)
            chosen = hidden.last_hidden_state[rows, before]
            return measure_tokens(chosen, self._head_weight(), targets), learned.to(self.device)
        logits = self._causal_model(input_ids=tokens, attention_mask=mask, use_cache=False).logits[rows, before]
        return _measure_logits(logits.float(), targets), learned.to(self.device)

    def adapter_weights(self) -> dict[str, Tensor]:
        """The adapter's tensors by name, on the CPU."""
        return {name: value.cpu() for name, value in get_peft_model_state_dict(self.peft_model).items()}

    def load_adapter_weights(self, weights: dict[str, Tensor]) -> None:
        """Put back what `adapter_weights` returned."""
        set_peft_model_state_dict(self.peft_model, weights)

    def _pad(self, sequences: Sequence[TrainingSequence]) -> tuple[Tensor, Tensor | None]:
        longest = max(len(sequence) for sequence in sequences)
        rows = [s.tokens + [self._padding_token] * (longest - len(s)) for s in sequences]
        tokens = torch.tensor(rows, device=self.device)
        if len(sequences) == 1:
            return tokens, None  # no mask: lets attention take its causal fast path
        lengths = torch.tensor([len(sequence) for sequence in sequences], device=self.device)
        mask = torch.arange(longest, device=self.device) < lengths.unsqueeze(1)
        return tokens, mask.long()

    def _head_weight(self) -> Tensor:
        weight: Tensor = self._causal_model.get_output_embeddings().weight
        return weight

    def _check_head(self) -> bool:
        """Whether logits are hidden state times head and nothing else (no bias, scaling or soft cap)."""
        tokens = torch.arange(1, 5, device=self.device).unsqueeze(0)
        with torch.no_grad():
            expected = self._causal_model(input_ids=tokens, use_cache=False).logits
            hidden = self._causal_model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
            found = hidden @ self._head_weight().T
        return found.shape == expected.shape and bool(torch.allclose(found, expected, rtol=1e-2, atol=1e-2))


def _select(sequences: Sequence[TrainingSequence], prompt_too: bool) -> tuple[Tensor, Tensor, Tensor]:
    chosen = [
        (row, column, learned)
        for row, sequence in enumerate(sequences)
        for column, learned in enumerate(sequence.learned)
        if column > 0 and (learned or prompt_too)
    ]
    rows, columns, learned_flags = zip(*chosen, strict=True)
    return torch.tensor(rows), torch.tensor(columns), torch.tensor(learned_flags)


def _measure_logits(logits: Tensor, targets: Tensor) -> TokenLosses:
    log_probabilities = logits.log_softmax(dim=-1).gather(1, targets.unsqueeze(1)).squeeze(1)
    return TokenLosses(log_probabilities, logits.argmax(dim=-1) == targets)


def attach_new_adapter(base: Any, shape: LoraShape, seed: int, padding_token: int) -> TunableModel:
    """Add a fresh adapter on every linear layer but the head; it changes nothing until it has learned."""
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=shape.alpha,
        lora_dropout=shape.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    return TunableModel(get_peft_model(base, config), padding_token)


def attach_parent_adapter(base: Any, parent_folder: Path, padding_token: int) -> TunableModel:
    """Add a copy of a tuned model's adapter, to learn on; the parent's files are not touched."""
    peft_model = PeftModel.from_pretrained(base, str(parent_folder), is_trainable=True)
    for parameter in peft_model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return TunableModel(peft_model, padding_token)
