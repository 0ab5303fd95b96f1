"""The screen of a review: keys in, decisions to the sender, stories from the feed; it waits for neither."""

import asyncio
import contextlib
import hashlib
import signal
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.message import Message
from textual.widgets import Static

from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.drawing import draw_facts, draw_keys, draw_text, fit
from storymill.cli.story_review.editor import TextEditor
from storymill.cli.story_review.feed import StoryFeed
from storymill.cli.story_review.parts import STYLES, StoryLines, StoryText
from storymill.cli.story_review.run_choice import EVERY_RUN, RunChoice
from storymill.cli.story_review.status_lines import KEYS, REVIEWS, STATES, draw_head, draw_notice, next_of
from storymill.cli.story_review.unsent_file import UnsentFile
from storymill.cli.story_review.window import Json, StoryWindow
from storymill.cli.words import count_of
from storymill.client.rest import Api

WIDE: Final = 110
"""Cells from which on list, text and facts stand side by side."""
UNDO_HELD: Final = 1000
RUNS_LISTED: Final = 100
AGAIN_SECONDS: Final = 2.0
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Heard(Message):
    """Something that a thread has to say, to be done in the screen's own."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act


class ReviewApp(App[None]):
    """Read and judge the stories of one list after another."""

    CSS = STYLES
    TITLE = "storymill stories review"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,J", "move(1)"),
        Binding("k,K", "move(-1)"),
        Binding("a,A", "judge('accepted')"),
        Binding("r,R", "judge('rejected')"),
        Binding("u,U", "undo"),
        Binding("e,E", "edit"),
        Binding("p,P", "unfold"),
        Binding("f,F", "next_review"),
        Binding("s,S", "next_state"),
        Binding("g,G", "choose_run"),
        Binding("t,T", "send_again"),
        Binding("down", "scroll('down')"),
        Binding("up", "scroll('up')"),
        Binding("pagedown,space", "scroll('page_down')"),
        Binding("pageup", "scroll('page_up')"),
        Binding("q,Q,ctrl+c,ctrl+q", "leave"),
    ]

    def __init__(self, api: Api, file: UnsentFile, *, run: Json | None, status: str | None) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.run_shown = run
        self.review = REVIEWS[0]
        self.status = STATES[0] if status is None else status
        self.sender = DecisionSender(api, file, self._hear_of_story)
        self.feed = StoryFeed(api, self.sender, hear=self._hear, changed=self._feed_changed, later=self._read_later)
        self._is_opened = False
        self._undoable: deque[tuple[str, str | None]] = deque(maxlen=UNDO_HELD)
        self._is_unfolded = False
        self._left_over = self.sender.count_waiting()

    def compose(self) -> ComposeResult:
        """Draw head, list, text, facts, notice and keys."""
        yield Static(id="head")
        yield Container(StoryLines(), StoryText(), Static(id="facts"), id="body")
        yield Static(id="notice")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Begin to send and to read; leave in order when told to end."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread
            for number in SIGNALS:
                loop.add_signal_handler(number, self.action_leave)
        self.sender.start()
        if self.sender.count_waiting():
            self.draw()  # the list is opened when what an earlier sitting left is sent: it may no longer belong there
        else:
            self.open_list()

    def on_unmount(self) -> None:
        """Hear no more from the readers, and leave signals to whom they belonged."""
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        self.feed.close()

    def on_resize(self, event: Resize) -> None:
        """Stand side by side where there is room."""
        self.set_class(event.size.width >= WIDE, "-wide")
        self.call_after_refresh(self.draw)

    def on_heard(self, message: Heard) -> None:
        """Do what a thread asked for."""
        message.act()

    @property
    def window(self) -> StoryWindow:
        """The stories that are held."""
        return self.feed.window

    def open_list(self) -> None:
        """Begin a list anew, under the filters that are set."""
        self._is_opened = True
        self.feed.open(self.run_shown["id"] if self.run_shown else None, self.status, self.review)
        self.draw(is_other=True)

    def take_story(self, story: Json | None) -> None:
        """Show a story as the gateway has it, and how the sending stands."""
        self.feed.take_story(story)
        if not self._is_opened and not self.sender.count_waiting():
            self.open_list()
        self.draw()

    def action_move(self, step: int) -> None:
        """Read another story."""
        if self.window.move(step):
            self.draw(is_other=True)
        self.feed.read_on()

    def on_story_lines_chosen(self, message: StoryLines.Chosen) -> None:
        """Read the story that was clicked."""
        self.action_move(message.step)

    def action_judge(self, verdict: str) -> None:
        """Give the story a verdict and go on to the next."""
        story = self.window.story
        if story is None or story["status"] != "succeeded":
            self.notify("Only a story that is written can be judged." if story else "There is no story yet.")
            return
        self._undoable.append((story["id"], story["review"]))
        self.decide(story, {"review": verdict})
        self.action_move(1)
        self.draw()

    def decide(self, story: Json, body: Json) -> None:
        """Send a decision, and show the story as if it had arrived."""
        self.sender.decide(story, body)
        shown = {**story, **body}
        if "text" in body:
            shown["sha256"] = hashlib.sha256(body["text"].encode()).hexdigest()
            shown["original_text"] = story["original_text"] or story["text"]
        self.feed.progress.count(story["review"], shown["review"])
        self.window.put(shown)
        self.draw(is_other="text" in body)

    def action_undo(self) -> None:
        """Take the last verdict back and show its story."""
        if not self._undoable:
            self.notify("Nothing to undo.")
            return
        story_id, before = self._undoable.pop()
        place = self.window.find(story_id)
        if place is not None:
            self.take_back(self.window.stories[place], before)
            return

        def come_back(story: Json) -> None:
            self.feed.begin_at(story)
            self.take_back(story, before)

        self.feed.fetch(f"/stories/{story_id}", come_back)

    def take_back(self, story: Json, before: str | None) -> None:
        """Give a story the verdict that it had."""
        self.window.place = self.window.find(story["id"]) or 0
        self.decide(story, {"review": before})
        self.draw(is_other=True)

    def action_edit(self) -> None:
        """Mend the story's text."""
        story = self.window.story
        if story is None or story["status"] != "succeeded":
            self.notify("Only a story that is written can be mended." if story else "There is no story yet.")
            return

        def take(text: str | None) -> None:
            if text is not None:
                self.decide(self._latest(story), {"text": text})

        self.push_screen(TextEditor(story["text"] or ""), take)

    def action_send_again(self) -> None:
        """Try what was refused once more."""
        self.notify(f"{count_of(self.sender.send_again(), 'decision')} sent again.")
        self.draw()

    def action_unfold(self) -> None:
        """Show or hide the prompt and the model's own text."""
        self._is_unfolded = not self._is_unfolded
        self.draw(is_other=True)

    def action_scroll(self, where: str) -> None:
        """Scroll the text."""
        getattr(self.query_one(StoryText), f"scroll_{where}")(animate=False)

    def action_next_review(self) -> None:
        """Go to the next of the filters by verdict."""
        self.review = next_of(REVIEWS, self.review)
        self.open_list()

    def action_next_state(self) -> None:
        """Go to the next of the filters by state."""
        self.status = next_of(STATES, self.status)
        self.open_list()

    def action_choose_run(self) -> None:
        """Choose among the newest runs."""
        self.feed.fetch("/generations", self.offer_runs, limit=RUNS_LISTED)

    def offer_runs(self, page: Json) -> None:
        """Show the runs there are."""
        runs = {run["id"]: run for run in page["data"]}

        def take(run_id: str | None) -> None:
            if run_id is not None:
                self.run_shown = None if run_id == EVERY_RUN else runs[run_id]
                self.open_list()

        self.push_screen(RunChoice(list(runs.values())), take)

    def action_leave(self) -> None:
        """End the review; what is decided is sent first."""
        self.exit()

    def draw(self, *, is_other: bool = False) -> None:
        """Show everything as it is now; `is_other`: the text is another one."""
        width = self.size.width
        self._show("head", draw_head(self.run_shown, self.review, self.status, self.feed.progress.describe(), width))
        self._show("notice", fit(draw_notice(self.sender, self.feed.problem, self._left_over), width))
        self._show("keys", draw_keys(KEYS, "   " if width >= WIDE else " "))
        refused = {one.decision.story_id: one.because for one in self.sender.list_refused()}
        lines, story = self.screen_stack[0].query_one(StoryLines), self.window.story
        lines.window, lines.refused = self.window, frozenset(refused)
        lines.refresh()
        if story is None:
            empty = (
                "Stories are being read ..."
                if self.window.has_after
                else "No story matches. F and S change the filter."
            )
            self.screen_stack[0].query_one("#text", Static).update(empty)
            self._show("facts", "")
            return
        if is_other:
            self.feed.read_findings(story)
            self.screen_stack[0].query_one(StoryText).show(draw_text(story, is_unfolded=self._is_unfolded))
        findings = self.feed.find_findings(story)
        self._show("facts", draw_facts(story, findings, refused.get(story["id"]), is_wide=width >= WIDE))

    def _show(self, part: str, drawn: Any) -> None:
        self.screen_stack[0].query_one(f"#{part}", Static).update(drawn)

    def _latest(self, story: Json) -> Json:
        place = self.window.find(story["id"])
        return story if place is None else self.window.stories[place]

    def _hear_of_story(self, story: Json | None) -> None:
        self._hear(self.take_story, story)

    def _feed_changed(self, is_other: bool) -> None:
        self.draw(is_other=is_other)

    def _read_later(self) -> None:
        self.set_timer(AGAIN_SECONDS, self.feed.read_on)

    def _hear(self, act: Callable[..., None], *values: Any) -> None:
        """Have something done in the screen's own thread; called from the others."""
        self.post_message(Heard(lambda: act(*values)))
