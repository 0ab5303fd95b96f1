"""The sequences that share the model, slot by slot: first those that write, then those whose prompt is being read.

Owned by the model thread. A sequence whose step fails is ended with an error; those beside it go on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from services.engine.batching.sampling import choose_tokens
from services.engine.batching.scoring import PIECE_TOKENS, score_tokens
from services.engine.batching.sequence import RunningSequence
from services.engine.constraints.running_constraint import Constraint
from services.engine.model.adapter import Adapter
from services.engine.model.runner import ModelRunner

SHORTEST_SHARED_PREFIX = 32
"""Shorter common beginnings are cheaper to read again than to copy."""
IDLE_CHUNK_TOKENS = 1024
"""Prompt tokens read at once while nobody is writing."""
Feed = Callable[[int, Sequence[Sequence[int]], Sequence[int], Sequence[Adapter | None]], Tensor]
"""A pass through the model: first slot, tokens, starts and adapters of the rows; a row of the result for each."""


class Batch:
    """Steps the model. `tell` receives (sequence, delta) for everything a client should see.

    `fail` receives what went wrong with a single sequence; without it the error ends the step.
    """

    def __init__(
        self,
        runner: ModelRunner,
        end_tokens: list[int],
        chunk_tokens: int,
        tell: Callable[[RunningSequence, Any], None],
        fail: Callable[[RunningSequence, Exception], None] | None = None,
    ) -> None:
        self.runner = runner
        self.writing: list[RunningSequence] = []
        self.reading: list[RunningSequence] = []
        self._end_tokens = end_tokens
        self._ends = torch.zeros(runner.vocabulary_size, dtype=torch.bool)
        self._ends[end_tokens] = True
        self._chunk_tokens = chunk_tokens
        self._tell = tell
        self._fail = fail

    def __len__(self) -> int:
        return len(self.writing) + len(self.reading)

    @property
    def scores(self) -> bool:
        """Whether a prompt is being scored; admit no other then, for they are scored one at a time anyway."""
        return any(sequence.scores for sequence in self.reading)

    def join(self, sequence: RunningSequence) -> None:
        """Give the sequence a slot; it reads its prompt from the next step on, before one that is being scored."""
        slot = len(self)
        if sequence.request.ignore_eos:
            sequence.sampler.forbidden = self._ends
        if self.reading and self.reading[-1].scores and not sequence.scores:
            self._move(slot - 1, slot, self.reading[-1])
            self.reading.insert(-1, sequence)
        else:
            self.reading.append(sequence)

    def step(self) -> None:
        """Write one token of every sequence that writes, then read a bounded piece of prompts.

        Who has just read its prompt has its first token from that and joins the writers at the next step.
        """
        if self.writing:
            chunks = [sequence.tokens[-1:] for sequence in self.writing]
            logits = self._run(0, self.writing, chunks)
            self._write_those_that_run(self.writing, logits)
        if self.reading:
            self._read_prompts()

    def drop_gone(self) -> list[RunningSequence]:
        """Remove sequences that have finished or were cancelled, and close the gaps in the cache."""
        gone = [sequence for sequence in (*self.writing, *self.reading) if sequence.finished or sequence.cancelled]
        if not gone:
            return gone
        before = [*self.writing, *self.reading]
        writing = self._close_gaps([sequence for sequence in self.writing if sequence not in gone], self.writing)
        reading = [sequence for sequence in self.reading if sequence not in gone]
        for slot, sequence in enumerate(reading, start=len(writing)):
            self._move(before.index(sequence), slot, sequence)
        self.writing, self.reading = writing, reading
        if not len(self):
            self.runner.cache.reset()
        return gone

    def clear(self) -> list[RunningSequence]:
        """Remove and return everything."""
        everything = [*self.writing, *self.reading]
        self.writing, self.reading = [], []
        self.runner.cache.reset()
        return everything

    def _close_gaps(self, staying: list[RunningSequence], before: list[RunningSequence]) -> list[RunningSequence]:
        """Fill the slots of those who left with those at the end, so that few are copied."""
        slots: list[RunningSequence | None] = [one if one in staying else None for one in before[: len(staying)]]
        movers = [one for one in before[len(staying) :] if one in staying]
        for slot, occupant in enumerate(slots):
            if occupant is None:
                mover = movers.pop()
                self._move(before.index(mover), slot, mover)
                slots[slot] = mover
        return [one for one in slots if one is not None]

    def _move(self, source: int, target: int, sequence: RunningSequence) -> None:
        if source != target and sequence.cached:
            self.runner.cache.copy_slot(source, target, sequence.cached)

    def _read_prompts(self) -> None:
        if self.reading[0].scores:
            try:
                self._score_piece(self.reading[0])
            except Exception as error:
                self._end_failed(self.reading[0], error)
            return
        group = self._choose_readers()
        room = max(1, self._budget() // len(group))
        chunks = [one.tokens[one.cached : one.cached + room] for one in group]
        if group[0].embeds:
            self._embed(group, chunks)
            return
        logits = self._run(len(self.writing), group, chunks)
        if group[0].waiting_tokens and not group[0].finished:
            return  # a long prompt, alone in its group, with more to read
        self._end_prompts(group, logits)

    def _embed(self, group: list[RunningSequence], chunks: list[list[int]]) -> None:
        """Add up the states of the next tokens; who has no more to read is told its embedding, and finished."""
        states = self._run(len(self.writing), group, chunks, self.runner.sum_states)
        for sequence, row in zip(group, states, strict=True):
            sequence.note_states(row)
            if not sequence.waiting_tokens and not sequence.finished and (delta := sequence.end_prompt()):
                self._tell(sequence, delta)

    def _score_piece(self, sequence: RunningSequence) -> None:
        start = sequence.cached
        piece = sequence.tokens[start : start + PIECE_TOKENS]
        logits = self.runner.run_one(len(self.writing), piece, start, sequence.request.adapter)
        sequence.cached += len(piece)
        scored = sequence.tokens[start + 1 : sequence.cached + 1]
        top_count = sequence.request.sampling.top_logprobs or 0
        sequence.note_scores(score_tokens(logits[: len(scored)], scored, top_count))
        if not sequence.waiting_tokens:
            self._end_prompts([sequence], logits[-1:])

    def _end_prompts(self, group: list[RunningSequence], logits: Tensor) -> None:
        """Let the first readers write their first token, from the logits after their prompts."""
        self.reading = self.reading[len(group) :]
        self.writing += group
        for sequence in group:
            if not sequence.finished and (delta := sequence.end_prompt()):
                self._tell(sequence, delta)
        self._write_those_that_run(group, logits)

    def _run(
        self, first: int, sequences: list[RunningSequence], chunks: list[list[int]], feed: Feed | None = None
    ) -> Tensor:
        """Return the logits of all rows, or what `feed` gives. Those of a sequence that cannot be run mean nothing; it
        has finished."""
        feed = feed or self.runner.run
        starts = [one.cached for one in sequences]
        adapters = [one.request.adapter for one in sequences]
        try:
            logits = feed(first, chunks, starts, adapters)
        except Exception:
            if self._fail is None:
                raise
            logits = self._run_one_by_one(first, sequences, chunks, feed)
        for sequence, chunk in zip(sequences, chunks, strict=True):
            sequence.cached += len(chunk)
        return logits

    def _run_one_by_one(
        self, first: int, sequences: list[RunningSequence], chunks: list[list[int]], feed: Feed
    ) -> Tensor:
        """Find out which of them it is: nothing but cache columns that are written anew has changed so far."""
        rows: list[Tensor | None] = []
        for place, (sequence, chunk) in enumerate(zip(sequences, chunks, strict=True)):
            try:
                rows.append(feed(first + place, [chunk], [sequence.cached], [sequence.request.adapter]))
            except Exception as error:
                rows.append(None)
                self._end_failed(sequence, error)
        width = next((row.shape[-1] for row in rows if row is not None), self.runner.vocabulary_size)
        nothing = torch.zeros(1, width, device=self.runner.device)
        return torch.cat([nothing if row is None else row for row in rows])

    def _end_failed(self, sequence: RunningSequence, error: Exception) -> None:
        if self._fail is None:
            raise error
        sequence.finished = True
        self._fail(sequence, error)

    def _budget(self) -> int:
        return self._chunk_tokens if self.writing else max(IDLE_CHUNK_TOKENS, self._chunk_tokens)

    def _choose_readers(self) -> list[RunningSequence]:
        """Take from the front those whose prompts, padded to the longest, stay within the budget; at least one.

        A sequence whose prompt begins like one before it in the group waits for that one and copies its columns.
        """
        group: list[RunningSequence] = []
        width = 0
        for place, sequence in enumerate(self.reading):
            if sequence.scores or (group and sequence.embeds != group[0].embeds):
                break
            self._share_prefix(len(self.writing) + place, sequence)
            wider = max(width, sequence.waiting_tokens)
            repeats = any(_count_shared(sequence, other) - sequence.cached >= SHORTEST_SHARED_PREFIX for other in group)
            if group and (repeats or wider * (len(group) + 1) > self._budget()):
                break
            group.append(sequence)
            width = wider
        return group

    def _share_prefix(self, slot: int, sequence: RunningSequence) -> None:
        """Copy the columns of a writer whose text begins as this prompt does."""
        best = max(self.writing, key=lambda one: _count_shared(sequence, one), default=None)
        if best is None:
            return
        shared = min(_count_shared(sequence, best), best.cached, len(sequence.tokens) - 1)
        if shared - sequence.cached >= SHORTEST_SHARED_PREFIX:
            self.runner.cache.copy_slot(self.writing.index(best), slot, shared)
            sequence.cached = shared

    def _write_those_that_run(self, sequences: list[RunningSequence], logits: Tensor) -> None:
        for sequence in sequences:
            if sequence.constraint is not None and not sequence.finished:
                self._hold_to_grammar(sequence, sequence.constraint)
        rows = [row for row, sequence in enumerate(sequences) if not sequence.finished]
        if len(rows) == len(sequences):
            self._write(sequences, logits)
        elif rows:
            self._write([sequences[row] for row in rows], logits[rows])

    def _hold_to_grammar(self, sequence: RunningSequence, constraint: Constraint) -> None:
        try:
            sequence.sampler.forbidden = constraint.get_forbidden()
        except Exception as error:
            self._end_failed(sequence, error)

    def _write(self, sequences: list[RunningSequence], logits: Tensor) -> None:
        tokens, logprobs = choose_tokens(logits, [sequence.sampler for sequence in sequences])
        for sequence, token, logprob in zip(sequences, tokens, logprobs, strict=True):
            try:
                delta = sequence.accept(token, logprob, self._end_tokens)
            except Exception as error:
                self._end_failed(sequence, error)
                continue
            if delta is not None:
                self._tell(sequence, delta)


def _count_shared(sequence: RunningSequence, other: RunningSequence) -> int:
    """Count the tokens with which both begin; none if they use different adapters, or if every token is to be read."""
    if sequence.request.adapter is not other.request.adapter or sequence.embeds:
        return 0
    count = 0
    for mine, theirs in zip(sequence.request.prompt, other.request.prompt, strict=False):
        if mine != theirs:
            break
        count += 1
    return count
