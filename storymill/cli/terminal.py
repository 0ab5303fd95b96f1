"""What commands print to: any width, with or without colour, a pipe, an encoding without Chinese.

Sentences break between words on a terminal and stay one line elsewhere. What is to be copied is never cut."""

import codecs
import sys
from dataclasses import dataclass, field
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

GAP: Final = 2
"""Between two columns."""
FEWEST_SHOWN: Final = 12
"""A column that shrinks keeps so much."""
ANY_WIDTH: Final = 10_000
"""Wider than whatever is printed."""
ASCII_ERRORS: Final = "storymill-ascii"
STAND_INS: Final = {
    "·": "-",
    "→": "->",
    "←": "<-",
    "×": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "≤": "<=",
    "━": "=",
    "╸": "-",
    "─": "-",
    "│": "|",
    "•": "*",
    "●": "*",
    "○": "o",
    **dict.fromkeys("┌┐└┘├┤┬┴┼", "+"),
    "“": '"',
    "”": '"',
    "’": "'",
}

CURVE_SIGNS: Final = frozenset(map(chr, range(0x2801, 0x2900)))
"""Braille, of which plots are made."""

console = Console()


def replace_signs(error: UnicodeError) -> tuple[str, int]:
    """Write signs that an encoding lacks by those that it has, and question marks for a character of a text: as many as
    it is wide, so that frames close."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(replace_sign, error.object[error.start : error.end])), error.end


def replace_sign(sign: str) -> str:
    """Return what stands for a sign in ASCII."""
    if sign in CURVE_SIGNS:
        return "*"
    return STAND_INS.get(sign, "?" * cell_len(sign))


def accept_every_encoding() -> None:
    """Have standard output and error write any text in whatever encoding they have."""
    codecs.register_error(ASCII_ERRORS, replace_signs)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and not (stream.encoding or "").lower().startswith("utf"):
            stream.reconfigure(errors=ASCII_ERRORS)


def beside_texts() -> Console:
    """Return where to tell about a text that is printed: below it on a terminal, else on standard error, so that a pipe
    or a file gets the text alone."""
    return console if console.is_terminal else Console(stderr=True)


def say(text: str | Text, *, style: str | None = None, to: Console | None = None) -> None:
    """Print a message as it is: square brackets in it are no markup."""
    target = to or console
    soft = not target.is_terminal
    target.print(text, style=style, markup=False, highlight=False, soft_wrap=soft)


def say_command(text: str, command: str, *, to: Console | None = None) -> None:
    """Print what to do next, with a command that can be copied whole."""
    (to or console).print(f"{text}: {command}", markup=False, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class ListColumn:
    """A column of a list. `drop`: which goes first where the line is too narrow, 1 before 2; 0 stays always."""

    title: str
    drop: int = 0
    justify: Literal["left", "right"] = "left"
    shrinks: bool = False
    """Its cells are a taste of more: they may be cut to what room there is."""
    cells: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Of its widest cell."""
        return max(cell_len(text) for text in (self.title, *self.cells))

    @property
    def least_width(self) -> int:
        """The narrowest that it can be."""
        return min(self.width, FEWEST_SHOWN) if self.shrinks else self.width


def print_list(
    columns: list[ListColumn], *, following: tuple[str, str] | None = None, to: Console | None = None
) -> None:
    """Print a list, a line each, and below it the command that follows, with its title. On a terminal that is too
    narrow columns are left out, in their stated order; nothing is ever cut, and elsewhere nothing is left out."""
    target = to or console
    shown = fit_columns(columns, target.width) if target.is_terminal else columns
    table = Table(*(Column(one.title, justify=one.justify, no_wrap=True) for one in shown), box=None, pad_edge=False)
    room = max(target.width - measure(shown), 0) if target.is_terminal else None
    for row in zip(*(shorten(one, room) for one in shown), strict=True):
        table.add_row(*map(Text, row))
    print_whole(table, sum(one.width for one in shown) + GAP * len(shown), to=target)
    left_out = [one.title for one in columns if one not in shown]
    if left_out:
        say(f"(left out for want of room: {', '.join(left_out)})", style="dim", to=target)
    if following:
        say_command(*following, to=target)


def print_broad(drawn: RenderableType, *, to: Console | None = None) -> None:
    """Print a table or tree whose texts break between words on a terminal, and stay on a line elsewhere."""
    target = to or console
    print_whole(drawn, 0 if target.is_terminal else ANY_WIDTH, to=target)


def print_whole(drawn: RenderableType, width: int, *, to: Console) -> None:
    """Print without cutting a cell, even if lines are then longer than the window."""
    before = to.width
    to.width = max(before, width)
    try:
        to.print(drawn, crop=False, highlight=False)
    finally:
        to.width = before


def fit_columns(columns: list[ListColumn], room: int) -> list[ListColumn]:
    """Return the columns that fit, in their order."""
    shown = list(columns)
    for going in sorted((one for one in columns if one.drop), key=lambda one: one.drop):
        if measure(shown) <= room:
            break
        shown.remove(going)
    return shown


def shorten(column: ListColumn, room: int | None) -> list[str]:
    """Return a column's cells, cut to its least width and the `room` beside it if it may be; None for no bound."""
    if not column.shrinks or room is None:
        return column.cells
    shortened = [Text(text) for text in column.cells]
    for text in shortened:
        text.truncate(column.least_width + room, overflow="ellipsis")
    return [text.plain for text in shortened]


def measure(columns: list[ListColumn]) -> int:
    """Return the least width of a list of these columns."""
    return sum(one.least_width for one in columns) + GAP * (len(columns) - 1)


def make_columns(*titles: str | tuple[str, int], right: tuple[str, ...] = ()) -> list[ListColumn]:
    """Return columns by their titles; a number beside one says how soon it is left out."""
    pairs = [title if isinstance(title, tuple) else (title, 0) for title in titles]
    return [ListColumn(title, drop, "right" if title in right else "left") for title, drop in pairs]


def add_row(columns: list[ListColumn], *cells: str) -> None:
    """Add a line to a list."""
    for column, cell in zip(columns, cells, strict=True):
        column.cells.append(cell)
