"""Keys and values of all sequences of a batch, one slot each, written in place at each row's own position.

Handed to a transformers model as `past_key_values`. Nothing is concatenated or re-ordered from step to step:
a step writes its new columns and gets views back.
"""

from typing import Any

import torch
from torch import Tensor

FIRST_CAPACITY = 256
"""In tokens a slot; `reset` gives back what grew beyond it."""
GROWTH = 1.5
"""At least by this factor, so that copying stays rare."""


class SlotCache:
    """Slots x capacity columns per layer. Capacity grows in steps up to `max_capacity` and shrinks by `reset`."""

    def __init__(self, slots: int, max_capacity: int) -> None:
        self.slots = slots
        self.max_capacity = max_capacity
        self.capacity = min(FIRST_CAPACITY, max_capacity)
        # Bytes of one token of one sequence over all layers; known once a model has run.
        self.column_bytes = 0
        self._counted_layers = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._first = self._count = self._span = 0
        self._targets = torch.empty(0, dtype=torch.long)

    def reserve(self, columns: int) -> None:
        """Make room for `columns` columns in every slot."""
        if columns <= self.capacity:
            return
        old = self.capacity
        self.capacity = min(self.max_capacity, max(columns, int(old * GROWTH)))
        for tensors in (self._keys, self._values):
            for layer, tensor in enumerate(tensors):
                grown = self._allocate(tensor)
                self._columns_of(grown)[:, :old] = tensor[:-1].view(self.slots, old, *tensor.shape[1:])
                tensors[layer] = grown

    def reset(self) -> None:
        """Forget everything; give the memory back if it had grown."""
        if self.capacity == min(FIRST_CAPACITY, self.max_capacity):
            return
        self.capacity = min(FIRST_CAPACITY, self.max_capacity)
        self._keys, self._values = [], []

    def begin(self, first: int, columns: Tensor, span: int) -> None:
        """Prepare a step over the slots from `first` on: `columns` (rows x tokens) says where each token goes.

        Negative columns are padding: they are written to a place that nobody reads. `span` is how many
        columns the step attends to.
        """
        rows = torch.arange(first, first + columns.shape[0], device=columns.device)[:, None]
        scratch = self.slots * self.capacity
        self._targets = torch.where(columns < 0, scratch, rows * self.capacity + columns).flatten()
        self._first, self._count, self._span = first, columns.shape[0], span

    def copy_slot(self, source: int, target: int, columns: int) -> None:
        """Copy the first `columns` columns of one slot over another."""
        for tensor in (*self._keys, *self._values):
            view = self._columns_of(tensor)
            view[target, :columns] = view[source, :columns]

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by the model's attention: store the new columns, return all columns of the step's rows."""
        if layer_idx == len(self._keys):
            self._keys.append(self._allocate(key.transpose(1, 2)[0]))
            self._values.append(self._allocate(value.transpose(1, 2)[0]))
            self._count_layer(layer_idx)
        return self._write(self._keys[layer_idx], key), self._write(self._values[layer_idx], value)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Part of the cache interface; positions are always given, so the answer is not used."""
        return 0

    def _count_layer(self, layer: int) -> None:
        if layer >= self._counted_layers:
            self._counted_layers = layer + 1
            pair = (self._keys[layer], self._values[layer])
            self.column_bytes += sum(tensor[0].numel() * tensor.element_size() for tensor in pair)

    def _write(self, tensor: Tensor, new: Tensor) -> Tensor:
        tensor.index_copy_(0, self._targets, new.transpose(1, 2).flatten(0, 1))
        rows = self._columns_of(tensor)[self._first : self._first + self._count, : self._span]
        return rows.transpose(1, 2)

    def _columns_of(self, tensor: Tensor) -> Tensor:
        return tensor[:-1].view(self.slots, self.capacity, *tensor.shape[1:])

    def _allocate(self, like: Tensor) -> Tensor:
        # Zeros, not garbage: masked columns are multiplied by zero, and zero times NaN is NaN.
        return like.new_zeros(self.slots * self.capacity + 1, *like.shape[1:])
