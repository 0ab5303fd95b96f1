"""Follow a fine-tuning job over REST: its state, what each step measured, and its events, each read once."""

from collections.abc import Iterator
from typing import Any

from storymill.client.rest import Api
from storymill.client.statuses import FINE_TUNING_FINAL

PAGE_SIZE = 100
TOLD_ONCE = (
    "Created fine-tuning job",
    "Fine-tuning job started",
    "New fine-tuned model created",
    "The job has successfully completed",
)
"""How messages begin that the mill tells of its job and the provider of the one that it made for it."""

Json = dict[str, Any]


class JobFollower:
    """What is known of one job. `refresh` brings it up to date and returns the events that are new, each once."""

    def __init__(self, api: Api, job_id: str) -> None:
        self._api = api
        self._path = f"/fine_tuning/jobs/{job_id}"
        self._last_event_id: str | None = None
        self._told: set[str] = set()
        self._unread: list[Json] = []
        self.job: Json = {"id": job_id, "status": "unknown"}
        self.metrics: list[Json] = []
        self.total_steps: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.job["status"] in FINE_TUNING_FINAL

    @property
    def step(self) -> int:
        """The last step that was measured, 0 before the first."""
        return int(self.metrics[-1]["step"]) if self.metrics else 0

    def refresh(self) -> list[Json]:
        """Read what changed. Raises: ClientError when the mill refuses or cannot be reached."""
        # The job first: when it is over, the events and metrics read after it are complete.
        self.job = self._api.get(self._path)
        self._read_metrics()
        for event in self._read_events():
            self._note_total(event)
            self._unread.append(event)  # kept where a later page fails: the next refresh returns it
        events, self._unread = self._unread, []
        return [event for event in events if self._is_news(event)]

    def _is_news(self, event: Json) -> bool:
        """Say whether an event tells what no earlier one did: the provider tells the same of its own job."""
        said = next((words for words in TOLD_ONCE if event["message"].startswith(words)), None)
        if said is None:
            return True
        is_first = said not in self._told
        self._told.add(said)
        return is_first

    def _read_metrics(self) -> None:
        while True:
            page = self._api.get(f"{self._path}/metrics", after_step=self.step, limit=PAGE_SIZE)
            self.metrics += page["data"]
            if not page["has_more"] or not page["data"]:
                return

    def _read_events(self) -> Iterator[Json]:
        while True:
            page = self._api.get(f"{self._path}/events", order="asc", after=self._last_event_id, limit=PAGE_SIZE)
            yield from page["data"]
            if page["data"]:
                self._last_event_id = page["data"][-1]["id"]
            if not page["has_more"] or not page["data"]:
                return

    def _note_total(self, event: Json) -> None:
        total = (event.get("data") or {}).get("total_steps")
        if total:
            self.total_steps = int(total)
