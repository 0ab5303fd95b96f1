"""A frozen base model with a trainable LoRA adapter, and the forward pass that training needs.

Base weights stay as loaded (bfloat16); adapter weights are float32, since small updates vanish in bfloat16.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch import Tensor

from services.engine.admission.refusal import BaseRefusedError, name_some
from services.engine.model.linear_names import find_adapter_targets, find_left_alone, shorten_names
from services.engine.training.completion_loss import TokenLosses, measure_logits
from services.engine.training.encoding import TrainingSequence
from services.engine.training.output_head import find_head

NOISE_WORDS = ("drop", "jitter")
"""What the parts of a model call their dropout rates and the noise that they add while they are trained."""


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
        self.causal_model = peft_model.get_base_model()
        self._padding_token = padding_token
        self.device = next(peft_model.parameters()).device
        self.parameters: list[Tensor] = [p for p in peft_model.parameters() if p.requires_grad]
        self._head = find_head(self.causal_model, self.device)

    def measure(self, sequences: Sequence[TrainingSequence], prompt_too: bool) -> tuple[TokenLosses, Tensor]:
        """Run the sequences in one pass; return losses of the selected tokens and whether each is learned.

        Selected are the learned tokens, with `prompt_too` every token but the first, in the sequences' order.
        """
        tokens, mask = self._pad(sequences)
        rows, columns, learned = _select(sequences, prompt_too)
        targets = tokens[rows, columns]
        before = columns - 1
        if self._head is None:
            logits = self.causal_model(input_ids=tokens, attention_mask=mask, use_cache=False).logits[rows, before]
            return measure_logits(logits.float(), targets), learned.to(self.device)
        hidden = self.causal_model.base_model(input_ids=tokens, attention_mask=mask, use_cache=False)
        return self._head.measure(hidden.last_hidden_state[rows, before], targets), learned.to(self.device)

    def checkpoint_gradients(self) -> None:
        """Keep only each layer's input for the backward pass, and compute the rest again: less memory, more time."""
        self.causal_model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})

    def adapter_weights(self) -> dict[str, Tensor]:
        """The adapter's tensors by name, on the CPU."""
        return {name: value.cpu() for name, value in read_adapter_tensors(self.peft_model).items()}

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


def _select(sequences: Sequence[TrainingSequence], prompt_too: bool) -> tuple[Tensor, Tensor, Tensor]:
    chosen = [
        (row, column, learned)
        for row, sequence in enumerate(sequences)
        for column, learned in enumerate(sequence.learned)
        if column > 0 and (learned or prompt_too)
    ]
    rows, columns, learned_flags = zip(*chosen, strict=True)
    return torch.tensor(rows), torch.tensor(columns), torch.tensor(learned_flags)


def attach_new_adapter(base: Any, shape: LoraShape, seed: int, padding_token: int) -> TunableModel:
    """Add a fresh adapter on the layers that serving applies adapters to; it changes nothing until it has learned.

    The base's own dropout and noise are off from then on. Raises: BaseRefusedError when it has no such layers, or PEFT
    takes others.
    """
    targets = find_adapter_targets(base)
    if not targets:
        raise BaseRefusedError(
            f"{type(base).__name__} has no linear layers that an adapter could be served on "
            f"(it has {name_some(find_left_alone(base, []))}): it can be asked, but not tuned here."
        )
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=shape.alpha,
        lora_dropout=shape.dropout,
        target_modules=shorten_names(targets, base),
        task_type="CAUSAL_LM",
    )
    silence_noise(base)
    torch.manual_seed(seed)
    peft_model = get_peft_model(base, config)
    _check_targets(peft_model, targets)
    return TunableModel(peft_model, padding_token)


def attach_parent_adapter(base: Any, parent_folder: Path, padding_token: int) -> TunableModel:
    """Add a copy of a tuned model's adapter, to learn on; the parent's files are not touched.

    Raises: BaseRefusedError unless every tensor of it has found its place.
    """
    silence_noise(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of tensors without a place: they are refused below, by name
        peft_model = PeftModel.from_pretrained(base, str(parent_folder), is_trainable=True)
    wanted = load_file(parent_folder / "adapter_model.safetensors")
    found = read_adapter_tensors(peft_model)
    lost = sorted(name for name in wanted.keys() | found.keys() if not _same(wanted.get(name), found.get(name)))
    if lost:
        raise BaseRefusedError(
            f"The parent's adapter does not fit on this base ({name_some(lost)}): tune from the base instead."
        )
    for parameter in peft_model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return TunableModel(peft_model, padding_token)


def read_adapter_tensors(peft_model: PeftModel) -> dict[str, Tensor]:
    """Return an adapter's tensors by name. Only linear layers carry one, so the embeddings are not looked at: to find
    out whether they were resized, peft would ask a model hub for the base."""
    tensors: dict[str, Tensor] = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    return tensors


def silence_noise(base: Any) -> None:
    """Switch off dropout, layer dropout and router noise of the base: its own training is over."""
    for part in base.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        for name, value in vars(part).items():
            if isinstance(value, float) and any(word in name for word in NOISE_WORDS):
                setattr(part, name, 0.0)


def _check_targets(peft_model: Any, targets: Sequence[str]) -> None:
    """PEFT rewrites targets for some models with experts: what it took must be what is served."""
    prefix = "base_model.model."
    taken = {name.removeprefix(prefix) for name, part in peft_model.named_modules() if isinstance(part, LoraLayer)}
    if taken != set(targets):
        odd = sorted(taken ^ set(targets))
        raise BaseRefusedError(f"PEFT puts the adapter on other layers than are served ({name_some(odd)}).")


def _same(wanted: Tensor | None, found: Tensor | None) -> bool:
    return wanted is not None and found is not None and torch.equal(wanted.to(found.dtype), found.to(wanted.device))
