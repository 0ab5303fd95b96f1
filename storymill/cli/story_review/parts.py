"""The parts of the review's screen."""

from typing import Final

from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.events import Click, Resize
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from storymill.cli.story_review.drawing import draw_line
from storymill.cli.story_review.window import StoryWindow

STYLES: Final = """
Screen { background: ansi_default; color: ansi_default; layers: base; }
#head, #notice, #keys { height: 1; width: 100%; }
#head { text-style: bold; }
#body { layout: vertical; height: 1fr; }
StoryLines { height: 5; width: 100%; border-bottom: solid ansi_cyan; }
StoryText { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
StoryText Static { width: 100%; height: auto; }
#facts { height: auto; max-height: 5; padding: 0 1; border-top: solid ansi_cyan; }
.-wide #body { layout: horizontal; }
.-wide StoryLines { width: 40; height: 100%; border-bottom: none; border-right: solid ansi_cyan; }
.-wide #facts { width: 34; height: 100%; max-height: 100%; border-top: none; border-left: solid ansi_cyan; }
"""


class StoryLines(Widget):
    """The list: as many lines around the read story as there is room for, whatever the list's length."""

    class Chosen(Message):
        """A line was clicked: so many away from the one that is read."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self) -> None:
        super().__init__()
        self.window = StoryWindow()
        self.refused: frozenset[str] = frozenset()

    def find_first(self) -> int:
        """Return the place of the uppermost line."""
        height = max(self.content_size.height, 1)
        return max(0, min(self.window.place - height // 2, len(self.window.stories) - height))

    def render(self) -> RenderResult:
        """Draw what has room."""
        first, width = self.find_first(), self.content_size.width
        places = range(first, min(first + self.content_size.height, len(self.window.stories)))
        lines = [
            draw_line(story, width, is_read=place == self.window.place, is_refused=story["id"] in self.refused)
            for place, story in ((place, self.window.stories[place]) for place in places)
        ]
        return Text("\n", no_wrap=True).join(lines)

    def on_click(self, event: Click) -> None:
        """Tell which line was meant."""
        place = self.find_first() + event.get_content_offset_capture(self).y
        if place < len(self.window.stories):
            self.post_message(self.Chosen(place - self.window.place))

    def on_resize(self, event: Resize) -> None:
        """Draw anew in the new room."""
        self.refresh()


class StoryText(VerticalScroll):
    """A story's text, scrolled by itself."""

    can_focus = False

    def compose(self) -> ComposeResult:
        """Hold one text."""
        yield Static(id="text")

    def show(self, drawn: Text) -> None:
        """Show a text from its beginning."""
        self.query_one("#text", Static).update(drawn)
        self.scroll_home(animate=False)
