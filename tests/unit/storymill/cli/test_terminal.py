"""Lists and messages on every terminal: what matters is never cut, words stay whole, any encoding will do."""

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from storymill.cli.explained_errors import put_base_url_first
from storymill.cli.terminal import ListColumn, add_row, make_columns, print_list, say
from tests.support.stack import PROJECT_ROOT

JOB = "ftjob-01a20ab96e727435b4577d0ab3f4c6cd"
MODEL = "ft:gemma-3-270m:storymill:ultraman:3fbfba7c"


def open_console(width: int, *, is_terminal: bool = True) -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=width, force_terminal=is_terminal, color_system=None), output


def list_jobs(width: int, *, is_terminal: bool = True) -> str:
    columns = make_columns("id", "status", ("from", 2), ("model", 3), ("tokens", 1), "cost", right=("tokens",))
    add_row(columns, JOB, "succeeded", "text-davinci-003", MODEL, "6,500", "$0.01234")
    add_row(columns, JOB, "running", "唐", "", "", "unknown")
    console, output = open_console(width, is_terminal=is_terminal)
    print_list(columns, to=console)
    return output.getvalue()


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (200, "id status from model tokens cost"),
        (125, "id status from model cost"),
        (110, "id status model cost"),
        (80, "id status cost"),
        (40, "id status cost"),
    ],
)
def test_a_narrow_list_leaves_columns_out_in_their_order_and_cuts_nothing(width: int, titles: str) -> None:
    lines = list_jobs(width).splitlines()
    assert lines[0].split() == titles.split()
    assert lines[1].startswith(f"{JOB}  succeeded")
    assert lines[1].rstrip().endswith("$0.01234")
    assert ("left out" in lines[-1] or "room" in " ".join(lines[3:])) == (width < 200)


def test_a_pipe_gets_every_column_on_one_line() -> None:
    header, first, second = list_jobs(40, is_terminal=False).splitlines()
    assert header.split() == ["id", "status", "from", "model", "tokens", "cost"]
    assert (MODEL in first, second.split()) == (True, [JOB, "running", "唐", "unknown"])


def test_a_taste_of_a_text_takes_the_room_that_is_left() -> None:
    columns = [*make_columns("id", "status"), ListColumn("story", shrinks=True)]
    add_row(columns, f"story_{'0' * 32}", "succeeded", "唐 · 隐形 · 轻松  从前有一位英雄，他拥有隐形的能力")
    for width in (80, 120, 200):
        console, output = open_console(width)
        print_list(columns, to=console)
        line = output.getvalue().splitlines()[1]
        assert line.startswith(f"story_{'0' * 32}  succeeded  唐")
        assert line.rstrip().endswith("…") == (width == 80)


def test_a_message_breaks_between_words_on_a_terminal_and_nowhere_else() -> None:
    text = "The provider asks for your patience, and your words stay whole in it."
    console, output = open_console(30)
    say(text, to=console)
    assert output.getvalue().split() == text.split()
    assert output.getvalue().count("\n") > 1
    console, output = open_console(30, is_terminal=False)
    say(text, to=console)
    assert output.getvalue() == text + "\n"


def test_a_terminal_without_unicode_gets_every_line() -> None:
    code = (
        "from storymill.cli.terminal import accept_every_encoding, say; accept_every_encoding();"
        "say('a · b → c × 唐 …'); print('宋')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "a - b -> c x ?? ...\n??\n"), ran.stderr


def test_the_mills_address_may_stand_anywhere() -> None:
    assert put_base_url_first(["stories", "list", "--base-url", "u", "--limit", "1"]) == [
        *("--base-url", "u", "stories", "list", "--limit", "1"),
    ]
    assert put_base_url_first(["stories", "--base-url=u"]) == ["--base-url=u", "stories"]
    assert put_base_url_first(["stream", "--", "--base-url"]) == ["stream", "--", "--base-url"]
