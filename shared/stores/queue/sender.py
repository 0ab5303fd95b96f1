"""Send messages from an asyncio process. Call only after the commit that makes the row visible.

A message that cannot be sent is not an error for the caller: the row waits and the reaper sends it again. For an
interactive text, somebody waits: its sender tries by itself, for as long as a Redis takes to restart."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from celery import Celery
from kombu.exceptions import OperationalError

from shared.contracts.queue.messages import Message, RunCompletion
from shared.observability.logs import get_logger
from shared.stores.away import AWAY_OR_SILENT
from shared.stores.queue.line import ServingLine

SENDER_THREADS = 4
"""Celery's producer blocks on its socket (about 1 ms a message), so it runs beside the loop."""

SEND_AGAIN_SECONDS = 0.2
"""Between two tries of what could not be put into the line."""
SEND_AGAIN_TRIES = 50
"""Ten seconds: later the reaper has done it."""
MOST_UNSENT = 10_000

log = get_logger(__name__)


class TaskSender:
    """Sends messages through Celery's producer pool without blocking the loop; interactive texts go to their line."""

    def __init__(self, celery: Celery, line: ServingLine) -> None:
        self._celery = celery
        self._line = line
        self._threads = ThreadPoolExecutor(SENDER_THREADS, thread_name_prefix="task-sender")
        self._unsent: list[RunCompletion] = []
        self._sending_again: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> bool:
        """Enqueue `message`; False when the broker is out of reach (the reaper will send it)."""
        try:
            if isinstance(message, RunCompletion):
                await self._line.put(message.project_id, [message.completion_id])
            else:
                await asyncio.get_running_loop().run_in_executor(self._threads, self._send, message)
        except (OperationalError, *AWAY_OR_SILENT) as error:
            log.warning("message_not_sent", task=message.task, payload=message.payload(), error=str(error))
            if isinstance(message, RunCompletion):
                self._keep_unsent(message)
            return False
        return True

    def _keep_unsent(self, message: RunCompletion) -> None:
        if len(self._unsent) < MOST_UNSENT:
            self._unsent.append(message)
        if self._sending_again is None or self._sending_again.done():
            self._sending_again = asyncio.create_task(self._send_again(), name="send-again")

    async def _send_again(self) -> None:
        """Put what is left into the line, once Redis takes it. Twice does no harm: a text keeps its place."""
        for _ in range(SEND_AGAIN_TRIES):
            await asyncio.sleep(SEND_AGAIN_SECONDS)
            try:
                while self._unsent:
                    message = self._unsent[0]
                    await self._line.put(message.project_id, [message.completion_id])
                    self._unsent.remove(message)
            except AWAY_OR_SILENT:
                continue
            return
        self._unsent.clear()

    def _send(self, message: Message) -> None:
        self._celery.send_task(message.task, kwargs=message.payload(), queue=message.queue)

    def close(self) -> None:
        """Stop the threads; what they hold is sent first."""
        self._threads.shutdown(wait=True)
