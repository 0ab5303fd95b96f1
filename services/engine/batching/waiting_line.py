"""The bounded queue in front of the batch: interactive before volume, first come first served within each.

A prompt to be scored steps aside while another one is being scored.
"""

from collections import deque

from services.engine.batching.requests import Priority
from services.engine.batching.sequence import RunningSequence


class WaitingLine:
    """Sequences not yet admitted. Volume never takes the last quarter of the batch."""

    def __init__(self, batch_size: int) -> None:
        self._lines: dict[tuple[Priority, bool], deque[RunningSequence]] = {
            (priority, scores): deque() for priority in Priority for scores in (False, True)
        }
        self._volume_limit = max(1, batch_size - batch_size // 4)

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def add(self, sequence: RunningSequence) -> None:
        """Queue a sequence behind those of its priority."""
        self._lines[sequence.running.priority, sequence.scores].append(sequence)

    def take(self, in_batch: int, *, may_score: bool = True) -> RunningSequence | None:
        """Return the next sequence to admit to a batch of `in_batch` sequences, None if none may join."""
        first = self._take_first(Priority.INTERACTIVE, may_score)
        if first is None and in_batch < self._volume_limit:
            first = self._take_first(Priority.VOLUME, may_score)
        return first

    def _take_first(self, priority: Priority, may_score: bool) -> RunningSequence | None:
        lines = [self._lines[priority, scores] for scores in (False, True)[: 1 + may_score]]
        waiting = [line for line in lines if line]
        return min(waiting, key=lambda line: line[0].running.submitted).popleft() if waiting else None

    def drop_cancelled(self) -> list[RunningSequence]:
        """Remove and return the sequences that nobody waits for any more."""
        dropped = []
        for kind, line in self._lines.items():
            dropped += [sequence for sequence in line if sequence.cancelled]
            self._lines[kind] = deque(sequence for sequence in line if not sequence.cancelled)
        return dropped

    def clear(self) -> list[RunningSequence]:
        """Remove and return everything."""
        everything = [sequence for line in self._lines.values() for sequence in line]
        for line in self._lines.values():
            line.clear()
        return everything
