"""A story's text, mended in place."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from storymill.cli.story_review.drawing import draw_keys, tame_for_editor


class TextEditor(ModalScreen[str | None]):
    """Returns the mended text; None when nothing was changed."""

    CSS = """
    TextEditor { background: ansi_default; color: ansi_default; }
    TextEditor TextArea { height: 1fr; border: none; padding: 0 1; background: ansi_default; color: ansi_default; }
    TextEditor .text-area--cursor-line { background: ansi_default; }
    TextEditor Static { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+enter", "save", "save", priority=True),
        Binding("escape", "discard", "discard", priority=True),
        Binding("ctrl+c", "hint", "hint", priority=True),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = tame_for_editor(text)

    def compose(self) -> ComposeResult:
        """Draw the text and its two keys."""
        yield TextArea(self._text, soft_wrap=True, highlight_cursor_line=False)
        yield Static(draw_keys((("Ctrl-S", "save"), ("Esc", "discard")), "   "))

    def action_save(self) -> None:
        """Take the text as it is now; a blank one is none."""
        text = self.query_one(TextArea).text
        self.dismiss(text if text.strip() and text != self._text else None)

    def action_discard(self) -> None:
        """Leave the story as it is."""
        self.dismiss(None)

    def action_hint(self) -> None:
        """Keep a Ctrl-C from taking a half-written text with it."""
        self.notify("Ctrl-S saves the text, Esc discards it; then Q leaves.")
