"""What a review reads: pages of the list around its place, how far the run is reviewed, what rules found."""

from collections.abc import Callable
from typing import Any, Final

from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.drawing import list_findings
from storymill.cli.story_review.progress import ReviewProgress, count_reviews
from storymill.cli.story_review.reader import Reader
from storymill.cli.story_review.window import Json, Side, StoryWindow
from storymill.client.errors import ClientError
from storymill.client.rest import Api

READERS: Final = ("pages", "lineages", "counts", "wishes")
Hear = Callable[..., None]
"""Has something done in the screen's own thread: a function and its arguments."""


class StoryFeed:
    """One list at a time. `hear` may be called from any thread, `changed` is called in the screen's: with True where
    another story is read, and `later` asks for pages once more after a while."""

    def __init__(
        self,
        api: Api,
        sender: DecisionSender,
        *,
        hear: Hear,
        changed: Callable[[bool], None],
        later: Callable[[], object],
    ) -> None:
        self.window = StoryWindow()
        self.progress = ReviewProgress()
        self.problem = ""
        """Why the last reading failed."""
        self._api = api
        self._sender = sender
        self._hear = hear
        self._changed = changed
        self._later = later
        self._readers = {name: Reader(name) for name in READERS}
        self._run_id: str | None = None
        self._beginnings = 0
        """Pages that were asked for before the last of them are of another list, or of another part of it."""
        self._is_page_asked = False
        self._is_count_wanted = False
        self._findings: tuple[str, list[str]] | None = None

    def open(self, run_id: str | None, status: str, review: str) -> None:
        """Begin a list anew, under these filters."""
        self.window = StoryWindow(generation_id=run_id, status=status, review=review)
        self._run_id = run_id
        self._begin()
        self.progress = ReviewProgress(here=self.progress.here)
        self.count_again()
        self.read_on()

    def begin_at(self, story: Json) -> None:
        """Read on around a story that is no longer held."""
        self.window.begin_at(story)
        self._begin()
        self.read_on()

    def _begin(self) -> None:
        self._beginnings += 1
        self._is_page_asked = False

    def close(self) -> None:
        """Hear no more."""
        for reader in self._readers.values():
            reader.close()

    def fetch(self, path: str, then: Callable[[Json], None], **params: Any) -> None:
        """Read something that a key asked for; what goes wrong is a problem to be shown."""

        def take(found: Json | ClientError) -> None:
            if isinstance(found, ClientError):
                self.problem = str(found)
                self._changed(False)
                return
            then(found)

        self._readers["wishes"].ask(lambda: self._api.get(path, **params), lambda found: self._hear(take, found))

    def read_on(self) -> None:
        """Ask for the page that is wanted next, if one is."""
        side = self.window.find_missing()
        if side is None or self._is_page_asked:
            return
        self._is_page_asked = True
        beginning, query = self._beginnings, self.window.ask(side)
        self._readers["pages"].ask(
            lambda: self._api.get("/stories", **query),
            lambda page: self._hear(self.take_page, beginning, side, page),
        )

    def take_page(self, beginning: int, side: Side, page: Json | ClientError) -> None:
        """Take a page of the list that is shown; one that did not come is asked for again."""
        if beginning != self._beginnings:
            return
        self._is_page_asked = False
        if isinstance(page, ClientError):
            self.problem = str(page)
            self._later()
            self._changed(False)
            return
        self.problem = ""
        was_empty = self.window.story is None
        self.window.add(side, page)
        self._changed(was_empty)
        self.read_on()

    def count_again(self) -> None:
        """Ask how far the run is reviewed; once more when what is on its way has arrived."""
        self._is_count_wanted = self._sender.count_waiting() > 0
        if self._run_id is None:
            return
        run_id, decided = self._run_id, self._sender.numbers
        self._readers["counts"].ask(
            lambda: count_reviews(self._api, run_id), lambda found: self._hear(self.take_counts, run_id, decided, found)
        )

    def take_counts(self, run_id: str, decided: int, found: tuple[int, int] | ClientError | None) -> None:
        """Take how far the run is reviewed; what was decided meanwhile makes it a guess."""
        if run_id != self._run_id:
            return
        self._is_count_wanted |= isinstance(found, ClientError) or decided != self._sender.numbers
        if isinstance(found, tuple):
            self.progress.reviewed, self.progress.finished = found
        self._changed(False)

    def take_story(self, story: Json | None) -> None:
        """Hold a story as the gateway has it."""
        if story is not None:
            self.window.put(story)
        if self._is_count_wanted and not self._sender.count_waiting():
            self.count_again()

    def find_findings(self, story: Json) -> list[str] | None:
        """Return why rules refused texts of a story, where that was read."""
        return self._findings[1] if self._findings and self._findings[0] == story["id"] else None

    def read_findings(self, story: Json) -> None:
        """Ask why rules refused texts of a story: of one that was called for more than once."""
        if story["attempt"] > 1 or story["status"] == "rejected":
            path = f"/stories/{story['id']}/lineage"
            self._readers["lineages"].ask(
                lambda: self._api.get(path), lambda found: self._hear(self.take_findings, story["id"], found)
            )

    def take_findings(self, story_id: str, lineage: Json | ClientError) -> None:
        """Show what rules found."""
        if not isinstance(lineage, ClientError):
            self._findings = (story_id, list_findings(lineage))
            self._changed(False)
