"""Sends a reviewer's decisions in their order from a thread of its own, so that no key waits for the gateway.

While the gateway is away the first of them waits, and all behind it; one that is refused is put aside with the reason
and kept. Before each the story is looked at: what somebody else decided meanwhile is not overwritten."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from storymill.cli.patience import is_passing
from storymill.cli.story_review.decisions import Decision, Json, Unsent, describe_change
from storymill.cli.story_review.unsent_file import UnsentFile
from storymill.client.errors import ApiError, ClientError, UnreachableError
from storymill.client.rest import Api

PAUSE_SECONDS: Final = 1.0
PATIENCE_IN_TROUBLE_SECONDS: Final = 2.0
"""Who leaves waits no longer for a gateway that is away."""
LOOK_SECONDS: Final = 0.1
TOO_MANY_REQUESTS: Final = 429


class ChangedMeanwhileError(ClientError):
    """Another reviewer was faster."""


class DecisionSender:
    """One sitting's decisions. `told` is called from the thread, with the story as the gateway has it where it said."""

    def __init__(self, api: Api, file: UnsentFile, told: Callable[[Json | None], None]) -> None:
        self.sent: Counter[str] = Counter()
        self.trouble: str | None = None
        """Why nothing leaves at the moment."""
        self._api = api
        self._file = file
        self._told = told
        self._waiting: deque[Decision] = deque(file.left_behind)
        self._refused: dict[tuple[str, str], Unsent] = {}
        self.numbers = max((left.number for left in file.left_behind), default=0)
        """The highest number of a decision so far."""
        self._changed = threading.Condition()
        self._is_closing = False
        self._is_left = False
        self._thread = threading.Thread(target=self._run, name="review-sender", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def decide(self, story: Json, body: Json) -> None:
        """Send a decision about a story as it is shown, after all that were made before."""
        with self._changed:
            self._add(Decision.of(self._next_number(), story, body))

    def send_again(self) -> int:
        """Try what was refused once more; return how many."""
        with self._changed:
            again = sorted((one.decision for one in self._refused.values()), key=lambda one: one.number)
            self._refused.clear()
            self._waiting.extend(again)
            self._changed.notify_all()
        return len(again)

    def count_waiting(self) -> int:
        """Return how many are on their way."""
        return len(self._waiting)

    def list_refused(self) -> list[Unsent]:
        """Return what was put aside."""
        with self._changed:
            return list(self._refused.values())

    def finish(self, seconds: float) -> None:
        """Wait for what is on its way, at most so long; what is open then stays in the file."""
        begun = time.monotonic()
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            while self._waiting:
                most = seconds if self.trouble is None else min(seconds, PATIENCE_IN_TROUBLE_SECONDS)
                if time.monotonic() - begun >= most:
                    return
                self._changed.wait(LOOK_SECONDS)

    def leave(self) -> list[Unsent]:
        """Stop, and return what was not sent."""
        with self._changed:
            was_left = self._is_left
            self._is_left = self._is_closing = True
            self._changed.notify_all()
            because = self.trouble or "there was no time to send it"
            open_now = [Unsent(decision, because) for decision in self._waiting]
            unsent = [*self._refused.values(), *open_now]
            if not was_left:
                for one in filter(lambda one: one.is_overtaken, unsent):
                    self._file.settle(one.decision)
                self._file.close()
            return unsent

    def _next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def _add(self, decision: Decision) -> None:
        replaced = self._refused.pop(decision.kind, None)
        self._file.note(decision)
        if replaced is not None:
            self._file.settle(replaced.decision)
        self._waiting.append(decision)
        self._changed.notify_all()

    def _run(self) -> None:
        while (decision := self._next()) is not None:
            try:
                story = self._send(decision)
            except ClientError as error:
                self._put_off(decision, error)
            except RuntimeError:  # the connection was closed under it: the sitting is over
                if not self._is_left:
                    raise
            else:
                self._settle(decision, story)

    def _next(self) -> Decision | None:
        with self._changed:
            while not self._waiting and not self._is_closing:
                self._changed.wait()
            return None if self._is_left or not self._waiting else self._waiting[0]

    def _send(self, decision: Decision) -> Json:
        path = f"/stories/{decision.story_id}"
        story = self._api.get(path)
        if decision.is_met_by(story):
            return story
        if not decision.is_of(story):
            self._tell(story)
            raise ChangedMeanwhileError(describe_change(decision, story))
        return self._api.patch(path, decision.body)

    def _settle(self, decision: Decision, story: Json) -> None:
        with self._changed:
            if self._is_left:
                return
            self.trouble = None
            self._waiting.popleft()
            self.sent[decision.word] += 1
            self._file.settle(decision)
            is_last_of_story = all(one.story_id != decision.story_id for one in self._waiting)
            self._changed.notify_all()
        self._tell(story if is_last_of_story else None)

    def _put_off(self, decision: Decision, error: ClientError) -> None:
        with self._changed:
            if self._is_left:
                return
            if may_pass(error):
                self.trouble = str(error)
            else:
                self.trouble = None
                self._waiting.popleft()
                self._refused[decision.kind] = put_aside(decision, error)
                self._changed.notify_all()
        self._tell(None)
        if self.trouble is not None:
            time.sleep(PAUSE_SECONDS)

    def _tell(self, story: Json | None) -> None:
        if not self._is_left:
            self._told(story)


def put_aside(decision: Decision, error: ClientError) -> Unsent:
    """Return a decision that was refused; one about a text stays for the next sitting whoever changed what meanwhile,
    since nobody could write it again from memory."""
    is_overtaken = isinstance(error, ChangedMeanwhileError) and "text" not in decision.body
    return Unsent(decision, str(error), is_overtaken)


def may_pass(error: ClientError) -> bool:
    """Say whether the same decision may be taken a moment later."""
    if isinstance(error, ApiError) and error.status == TOO_MANY_REQUESTS:
        return True
    return isinstance(error, (UnreachableError, ApiError)) and is_passing(error)
