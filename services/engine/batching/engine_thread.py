"""The one thread that owns the model: admits, steps, delivers, until told to stop.

The event loop hands over requests and receives deltas, once per step for all of them.
"""

import asyncio
import threading
import time
from collections import deque
from typing import Any

import structlog
import torch

from services.engine.batching.batch import Batch
from services.engine.batching.requests import Delta
from services.engine.batching.running_request import RunningRequest
from services.engine.batching.sequence import RunningSequence
from services.engine.batching.waiting_line import WaitingLine
from services.engine.errors import ApiError, OverloadedError, ServerError
from services.engine.metrics import EngineMetrics
from services.engine.model.runner import ModelRunner

log = structlog.get_logger(__name__)


class EngineThread:
    """Runs a batch of at most `batch_size` sequences with a bounded line in front of it."""

    def __init__(
        self,
        runner: ModelRunner,
        tokenizer: Any,
        end_tokens: list[int],
        *,
        batch_size: int,
        queue_size: int,
        chunk_tokens: int,
        metrics: EngineMetrics,
    ) -> None:
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._queue_size = queue_size
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._line = WaitingLine(batch_size)
        self._batch = Batch(runner, end_tokens, chunk_tokens, self._note, self._note_failure)
        self._wake = threading.Condition()
        self._inbox: deque[RunningRequest] = deque()
        self._unfinished = 0
        self._ending: ApiError | None = None
        self._stopping = False
        self._outbox: list[tuple[RunningRequest, Delta | ApiError]] = []
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def submit(self, running: RunningRequest) -> None:
        """Hand over a request. Raises: OverloadedError when the line is full. Called on the event loop."""
        wanted = len(running.requests)
        with self._wake:
            if self._unfinished + wanted > self._queue_size + self._batch_size:
                self._metrics.refused.inc()
                raise OverloadedError(
                    "The engine is busy: its queue is full. Please retry shortly.",
                    code="engine_overloaded",
                    retry_after_seconds=self._estimate_wait_seconds(),
                )
            if self._ending is not None or not self._thread.is_alive():
                raise self._ending or ServerError("The model has stopped.", code="engine_stopped")
            self._unfinished += wanted
            self._inbox.append(running)
            self._wake.notify()

    def cancel(self, running: RunningRequest) -> None:
        """Take the request out of line or batch before the next step."""
        running.cancel()
        with self._wake:
            self._wake.notify()

    def end_all(self, reason: ApiError) -> None:
        """End every open request with `reason` and refuse new ones with it."""
        with self._wake:
            self._ending = reason
            self._wake.notify()

    def stop(self) -> None:
        """End the thread after the step at hand and wait for it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _estimate_wait_seconds(self) -> float:
        """A queued text takes its turn after those before it; half a second per batchful and text is our guess."""
        return min(60.0, 1.0 + 0.5 * self._unfinished / self._batch_size)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception:  # the thread must outlive a bad request
                log.exception("a step failed")
                self._fail_all(ServerError("The engine failed while generating.", code="engine_failure"))
            self._deliver()
        self._fail_all(ServerError("The engine is shutting down.", code="shutting_down"))
        self._deliver()

    def _wait_for_work(self) -> bool:
        with self._wake:
            while not (self._stopping or self._inbox or len(self._line) or len(self._batch)):
                self._metrics.running.set(0)
                self._metrics.waiting.set(0)
                self._wake.wait()
            return not self._stopping

    def _turn(self) -> None:
        if self._ending is not None:
            self._fail_all(self._ending)
            return
        self._take_inbox()
        self._leave(self._line.drop_cancelled())
        self._leave(self._batch.drop_gone())
        self._admit()
        self._metrics.running.set(len(self._batch))
        self._metrics.waiting.set(len(self._line))
        if len(self._batch):
            started = time.perf_counter()
            self._batch.step()
            self._metrics.step_seconds.observe(time.perf_counter() - started)
            self._leave(self._batch.drop_gone())

    def _take_inbox(self) -> None:
        while self._inbox:
            running = self._inbox.popleft()
            for index, request in enumerate(running.requests):
                self._line.add(RunningSequence(running, index, request, self._tokenizer))

    def _admit(self) -> None:
        while len(self._batch) < self._batch_size:
            sequence = self._line.take(len(self._batch), may_score=not self._batch.scores)
            if sequence is None:
                return
            self._batch.join(sequence)

    def _note(self, sequence: RunningSequence, delta: Delta) -> None:
        self._outbox.append((sequence.running, delta))
        self._metrics.tokens.inc(delta.tokens)

    def _note_failure(self, sequence: RunningSequence, error: Exception) -> None:
        """One sequence ends with an error, and with it its request; the others of the batch never know."""
        if not isinstance(error, ApiError):
            log.error("a sequence failed", exc_info=error)
            error = ServerError("The engine failed while generating.", code="engine_failure")
        self._outbox.append((sequence.running, error))

    def _leave(self, gone: list[RunningSequence]) -> None:
        if gone:
            with self._wake:
                self._unfinished -= len(gone)

    def _fail_all(self, error: ApiError) -> None:
        self._take_inbox()
        failed = [*self._line.clear(), *self._batch.clear()]
        self._leave(failed)
        hurt = {id(sequence.running): sequence.running for sequence in failed}
        self._outbox += [(running, error) for running in hurt.values()]

    def _deliver(self) -> None:
        if not self._outbox:
            return
        events, self._outbox = self._outbox, []
        try:
            self._loop.call_soon_threadsafe(_hand_over, events)
        except RuntimeError:
            log.info("nobody is left to deliver to")  # the loop has closed during shutdown


def _hand_over(events: list[tuple[RunningRequest, Delta | ApiError]]) -> None:
    for running, event in events:
        running.put(event)
