"""Beat's part in tests: sends the reaper's message again and again, faster than beat would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from shared.contracts.queue.messages import ReapLapsed
from shared.stores.queue.sender import TaskSender

ROUND_SECONDS = 0.5


@asynccontextmanager
async def reaping(sender: TaskSender) -> AsyncIterator[None]:
    """Have a reaper's round twice a second inside the block, done by whatever worker serves `maintenance`."""

    async def send_rounds() -> None:
        while True:
            await sender.send(ReapLapsed())
            await asyncio.sleep(ROUND_SECONDS)

    sending = asyncio.create_task(send_rounds())
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
