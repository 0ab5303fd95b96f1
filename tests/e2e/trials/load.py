"""Clients that ask for short texts without a pause, as trusted ones do: what is refused for now is asked again."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from storymill.client.errors import ApiError, UnreachableError
from storymill.client.rest import Api
from tests.support.upstream import MODEL

CLIENTS: Final = 4
PAUSE_SECONDS: Final = 0.1
GIVEN_UP_SECONDS: Final = 60.0
TEMPORARY: Final = frozenset({408, 409, 429, 500, 502, 503, 504})


@dataclass
class Load:
    """Asks from its start to its stop. `waits`: when each text was asked for, and how long until it was there."""

    base_url: str
    api_key: str
    waits: list[tuple[float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Begin to ask."""
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(number,), daemon=True) for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more; what was asked for is waited for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(GIVEN_UP_SECONDS)

    def worst_since(self, moment: float) -> float:
        """Return the longest wait of those that were asked for after a moment."""
        return max((wait for asked_at, wait in self.waits if asked_at >= moment), default=0.0)

    def find_latest(self, moment: float) -> float:
        """Return when the last of the texts came that were asked for before a moment."""
        return max((asked_at + wait for asked_at, wait in self.waits if asked_at <= moment), default=0.0)

    def _ask_on(self, number: int) -> None:
        count = 0
        with Api(self.base_url, self.api_key) as api:
            while not self._stopping.is_set():
                count += 1
                asked_at = time.monotonic()
                failure = self._ask(api, f"一位英雄 {number} {count}", asked_at)
                if failure is None:
                    self.waits.append((asked_at, time.monotonic() - asked_at))
                else:
                    self.failures.append(failure)
                self._stopping.wait(PAUSE_SECONDS)

    def _ask(self, api: Api, prompt: str, asked_at: float) -> str | None:
        """Ask until there is a text; return why there is none."""
        while True:
            try:
                api.post("/completions", {"model": MODEL, "prompt": prompt, "max_tokens": 5})
                return None
            except (ApiError, UnreachableError) as error:
                is_temporary = isinstance(error, UnreachableError) or error.status in TEMPORARY
                if not is_temporary or time.monotonic() - asked_at > GIVEN_UP_SECONDS:
                    return str(error)
                time.sleep(PAUSE_SECONDS)
