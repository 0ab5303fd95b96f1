"""Which layers of a model are matrix products that the engine computes itself, and which of them adapters are put on.

Serving replaces them and training tunes them by the same names, so that what is learned can be served.
"""

from collections.abc import Iterable
from typing import Any

from torch import nn

ROUTER_NAMES = {"gate", "router", "router_gate", "shared_expert_gate"}
"""Last names of the layers that choose or weigh experts: tuned, they would send tokens elsewhere."""
EXPERT_NAMES = {"gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"}
"""In a model whose experts lie in one tensor, PEFT takes these names for the experts' and rewrites them."""


def find_linears(model: Any) -> dict[str, nn.Linear]:
    """Return every plain linear layer by its full name, the output head too. Layers with a forward pass of their own
    (quantised ones, experts in one tensor, GPT-2's transposed ones) are not among them."""
    return {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and type(part).forward is nn.Linear.forward
    }


def find_adapter_targets(model: Any) -> list[str]:
    """Return the full names of the layers that an adapter is put on: of the text part, no head and no router."""
    head = model.get_output_embeddings()
    prefix = _find_text_prefix(model)
    has_experts = any(weight.dim() == 3 for weight in model.parameters())
    passed_over = ROUTER_NAMES | EXPERT_NAMES if has_experts else ROUTER_NAMES
    return [
        name
        for name, part in find_linears(model).items()
        if part is not head and name.startswith(prefix) and name.rpartition(".")[2] not in passed_over
    ]


def shorten_names(names: Iterable[str], model: Any) -> list[str]:
    """Return last names that select exactly these layers by PEFT's rule (the end of the full name), else full names."""
    wanted = set(names)
    last_names = sorted({name.rpartition(".")[2] for name in wanted})
    selected = {name for name, _ in model.named_modules() if name.rpartition(".")[2] in last_names}
    return last_names if selected == wanted else sorted(wanted)


def find_left_alone(model: Any, targets: Iterable[str]) -> list[str]:
    """Return the kinds of matrices of the text part that no adapter is put on, by name without layer numbers."""
    taken = set(targets)
    head = model.get_output_embeddings()
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding) or part is head}
    prefix = _find_text_prefix(model)
    names = {
        ".".join("*" if piece.isdigit() else piece for piece in name.split("."))
        for name, weight in model.named_parameters()
        if weight.dim() >= 2
        and id(weight) not in tables
        and name.startswith(prefix)
        and name.removesuffix(".weight") not in taken
    }
    return sorted(names)


def _find_text_prefix(model: Any) -> str:
    """The name of the part that reads text, with a dot; empty where the model has no other."""
    if not any(hasattr(model.config, name) for name in ("vision_config", "audio_config")):
        return ""
    decoder = model.get_decoder()
    found = next((name for name, part in model.named_modules() if part is decoder), "")
    return f"{found}." if found else ""
