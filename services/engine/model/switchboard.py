"""Linear layers that add, row by row, the adapter each row of the batch asked for.

When all rows want the same adapter and a merged copy is at hand, a step costs what the base model costs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from services.engine.model.adapter import Adapter, AdapterError, LowRankPair
from services.engine.model.kernel import Product, build_product
from services.engine.model.linear_names import find_linears


class Switchboard:
    """Says which adapter applies to which rows in the step at hand. Set by the model thread alone."""

    def __init__(self) -> None:
        self.merged: dict[str, Product] | None = None
        self.groups: list[tuple[dict[str, Any], Tensor | None]] = []
        self.rows = 0

    def select(self, adapters: Sequence[Adapter | None], device: torch.device) -> None:
        """Prepare a step whose rows use `adapters`, one entry per row."""
        self.merged, self.groups, self.rows = None, [], len(adapters)
        distinct = {id(adapter): adapter for adapter in adapters if adapter is not None}
        uniform = len(set(map(id, adapters))) == 1
        for adapter in distinct.values():
            if uniform and adapter.merged is not None:
                self.merged = adapter.merged
            elif uniform:
                self.groups.append((adapter.pairs, None))
            else:
                rows = [row for row, other in enumerate(adapters) if other is adapter]
                self.groups.append((adapter.pairs, torch.tensor(rows, device=device)))


class SwitchedLinear(nn.Module):  # type: ignore[misc]
    """Stands in for `nn.Linear`; `weight` stays readable for code that asks for dtype or device."""

    def __init__(self, name: str, linear: nn.Linear, board: Switchboard, *, packed: bool = True) -> None:
        super().__init__()
        self.name = name
        self.board = board
        self.weight = linear.weight
        self.bias = linear.bias
        bias = None if linear.bias is None else linear.bias.data
        self.product = build_product(linear.weight.data, bias, packed=packed)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply, and add what the rows' adapters add."""
        board = self.board
        if board.merged is not None:
            return board.merged.get(self.name, self.product)(x)
        result = self.product(x)
        for pairs, rows in board.groups:
            pair = pairs.get(self.name)
            if pair is None:
                continue
            if rows is None:
                result = result + (x @ pair.down) @ pair.up
            else:
                self._add_to_rows(result, x, rows, pair)
        return result

    def _add_to_rows(self, result: Tensor, x: Tensor, rows: Tensor, pair: LowRankPair) -> None:
        """Some models (OPT, shared experts) put all tokens of all rows into one dimension before a layer."""
        by_row = x.reshape(self.board.rows, -1, x.shape[-1])
        added_to = result.view(self.board.rows, -1, result.shape[-1])
        added_to.index_add_(0, rows, (by_row.index_select(0, rows) @ pair.down) @ pair.up)


def switch_linears(model: nn.Module, board: Switchboard, *, packed: bool = True) -> dict[str, SwitchedLinear]:
    """Replace every linear layer but the output head of `model`; return the new ones by their full name.

    `packed` copies the weights into the processor's favourite layout; without, nothing is copied.
    """
    head = model.get_output_embeddings()
    switched = {}
    for name, linear in find_linears(model).items():
        parent_name, _, own_name = name.rpartition(".")
        if linear is head:
            head_board = Switchboard()
            setattr(model.get_submodule(parent_name), own_name, SwitchedLinear(name, linear, head_board, packed=packed))
            continue
        switched[name] = SwitchedLinear(name, linear, board, packed=packed)
        setattr(model.get_submodule(parent_name), own_name, switched[name])
    return switched


def check_adapter_fits(adapter: Adapter, linears: dict[str, SwitchedLinear]) -> None:
    """Raise AdapterError if the adapter was made for other layers than these."""
    for name, pair in adapter.pairs.items():
        linear = linears.get(name)
        shape = (pair.up.shape[1], pair.down.shape[0])
        if linear is None or tuple(linear.weight.shape) != shape:
            raise AdapterError(f"{adapter.folder.name}: made for another base model ({name})")


def merge_adapter(adapter: Adapter, linears: dict[str, SwitchedLinear]) -> dict[str, Product]:
    """Return products of base plus adapter. The sums are made in float32 and rounded once."""
    merged = {}
    for name, pair in adapter.pairs.items():
        weight = linears[name].weight
        total = weight.float() + (pair.down.float() @ pair.up.float()).t()
        bias = linears[name].bias
        merged[name] = build_product(total.to(weight.dtype), None if bias is None else bias.data)
    return merged
