"""Where long prompts become tokens: beside the event loop, so that one of them holds up no stream, and a few at a time,
so that many hold up no other work of the engine's threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Read = TypeVar("Read")

SHORT_CHARACTERS: Final = 4_000
"""What is tokenised in about a millisecond: a thread would take longer to be reached."""
THREADS: Final = 2


class PromptReading:
    """One per application."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="prompts")

    async def run(self, characters: int, read: Callable[[], Read]) -> Read:
        """Return what `read` gives; so many characters it has to look at. Raises: as `read`."""
        if characters <= SHORT_CHARACTERS:
            return read()
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
