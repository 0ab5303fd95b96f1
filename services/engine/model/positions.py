"""How far a model can count: the longest text that it reads as it learned to."""

from typing import Any

STRETCHED_KINDS = ("longrope", "dynamic")
"""These change how every position is turned once a text grows beyond the original length: a row's logits then depend on
the longest row beside it."""


def find_longest_positions(config: Any) -> int | None:
    """Return how many positions are exact in any batch, from a transformers configuration; None: no bound."""
    text = config.get_text_config()
    bounds = [getattr(text, "max_position_embeddings", None)]
    for rope in _find_ropes(text):
        if rope.get("rope_type", rope.get("type")) in STRETCHED_KINDS:
            bounds.append(rope.get("original_max_position_embeddings"))
            bounds.append(getattr(text, "original_max_position_embeddings", None))
    known = [int(bound) for bound in bounds if bound]
    return min(known) if known else None


def _find_ropes(text: Any) -> list[dict[str, Any]]:
    """One set of parameters, or one for each kind of layer."""
    found = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    if not isinstance(found, dict):
        return []
    nested = [value for value in found.values() if isinstance(value, dict)]
    return nested or [found]
