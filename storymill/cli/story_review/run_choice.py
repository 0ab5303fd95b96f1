"""The runs whose stories can be read."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from storymill.cli.story_review.drawing import draw_keys, tame
from storymill.cli.story_review.progress import name_run
from storymill.cli.story_review.window import Json
from storymill.cli.words import count_of, describe_state, format_moment

EVERY_RUN = "every"


class RunChoice(ModalScreen[str | None]):
    """Returns a run's id, `every` for all of them, None for the one that is shown."""

    CSS = """
    RunChoice { background: ansi_default; color: ansi_default; }
    RunChoice OptionList { height: 1fr; border: none; background: ansi_default; color: ansi_default; }
    RunChoice OptionList:focus > .option-list--option-highlighted {
        background: ansi_blue; color: ansi_bright_white; text-style: bold;
    }
    RunChoice Static { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "back"),
        Binding("j", "move(1)", "down"),
        Binding("k", "move(-1)", "up"),
    ]

    def __init__(self, runs: list[Json]) -> None:
        super().__init__()
        self._runs = runs

    def compose(self) -> ComposeResult:
        """Draw a line for each run."""
        options = [Option(describe_run(run), id=run["id"]) for run in self._runs]
        yield OptionList(Option("every run, the newest stories first", id=EVERY_RUN), *options)
        yield Static(draw_keys((("J/K", "move"), ("Enter", "choose"), ("Esc", "back")), "   "))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the run."""
        self.dismiss(event.option.id)

    def action_leave(self) -> None:
        """Stay with the run that is shown."""
        self.dismiss(None)

    def action_move(self, step: int) -> None:
        """Go up or down, by the keys of the review."""
        lines = self.query_one(OptionList)
        lines.action_cursor_down() if step > 0 else lines.action_cursor_up()


def describe_run(run: Json) -> Text:
    """Return a run's line."""
    written = count_of(run["counts"]["succeeded"], "story")
    facts = (name_run(run), format_moment(run["created_at"]), describe_state(run["status"]), written)
    return Text(tame(" · ".join(facts)), no_wrap=True)
