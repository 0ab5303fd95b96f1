"""Send messages from an asyncio process. Call only after the commit that makes the row visible.

A message that cannot be sent is not an error for the caller: the row waits and the reaper sends it again."""

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

log = get_logger(__name__)


class TaskSender:
    """Sends messages through Celery's producer pool without blocking the loop; interactive texts go to their line."""

    def __init__(self, celery: Celery, line: ServingLine) -> None:
        self._celery = celery
        self._line = line
        self._threads = ThreadPoolExecutor(SENDER_THREADS, thread_name_prefix="task-sender")

    async def send(self, message: Message) -> bool:
        """Enqueue `message`; False when the broker is out of reach (the reaper will send it)."""
        try:
            if isinstance(message, RunCompletion):
                await self._line.put(message.project_id, [message.completion_id])
            else:
                await asyncio.get_running_loop().run_in_executor(self._threads, self._send, message)
        except (OperationalError, *AWAY_OR_SILENT) as error:
            log.warning("message_not_sent", task=message.task, payload=message.payload(), error=str(error))
            return False
        return True

    def _send(self, message: Message) -> None:
        self._celery.send_task(message.task, kwargs=message.payload(), queue=message.queue)

    def close(self) -> None:
        """Stop the threads; what they hold is sent first."""
        self._threads.shutdown(wait=True)
