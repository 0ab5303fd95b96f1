"""Groups that merge: union-find over row positions."""

import numpy as np
from numpy.typing import NDArray


class DisjointSets:
    """Every position starts alone; `find` gives the smallest position of its group."""

    def __init__(self, size: int) -> None:
        self._parents: NDArray[np.int64] = np.arange(size, dtype=np.int64)

    def find(self, position: int) -> int:
        """The first member of the group."""
        parents = self._parents
        root = position
        while parents[root] != root:
            root = int(parents[root])
        while parents[position] != root:
            parents[position], position = root, int(parents[position])
        return root

    def join(self, left: int, right: int) -> None:
        """Make one group of two."""
        a, b = self.find(left), self.find(right)
        if a != b:
            self._parents[max(a, b)] = min(a, b)

    def roots(self) -> NDArray[np.int64]:
        """The first member of every position's group."""
        # Each step halves the way of all positions at once.
        while not np.array_equal(nearer := self._parents[self._parents], self._parents):
            self._parents = nearer
        return self._parents.copy()
