"""The bounded queue in front of the batch: interactive before volume, first come first served within each."""

from collections import deque

from services.engine.batching.requests import Priority
from services.engine.batching.sequence import RunningSequence


class WaitingLine:
    """Sequences not yet admitted. Volume never takes the last quarter of the batch."""

    def __init__(self, batch_size: int) -> None:
        self._lines: dict[Priority, deque[RunningSequence]] = {priority: deque() for priority in Priority}
        self._volume_limit = max(1, batch_size - batch_size // 4)

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def add(self, sequence: RunningSequence) -> None:
        """Queue a sequence behind those of its priority."""
        self._lines[sequence.generation.priority].append(sequence)

    def take(self, in_batch: int) -> RunningSequence | None:
        """Return the next sequence to admit to a batch of `in_batch` sequences, None if none may join."""
        interactive, volume = self._lines[Priority.INTERACTIVE], self._lines[Priority.VOLUME]
        if interactive:
            return interactive.popleft()
        if volume and in_batch < self._volume_limit:
            return volume.popleft()
        return None

    def drop_cancelled(self) -> list[RunningSequence]:
        """Remove and return the sequences that nobody waits for any more."""
        dropped = []
        for priority, line in self._lines.items():
            dropped += [sequence for sequence in line if sequence.cancelled]
            self._lines[priority] = deque(sequence for sequence in line if not sequence.cancelled)
        return dropped

    def clear(self) -> list[RunningSequence]:
        """Remove and return everything."""
        everything = [sequence for line in self._lines.values() for sequence in line]
        for line in self._lines.values():
            line.clear()
        return everything
