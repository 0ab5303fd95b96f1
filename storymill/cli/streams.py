"""`storymill stream`: write one text and print it as it comes."""

import sys
import time
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import SHOW_COST
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import beside_texts, console, say, say_command
from storymill.cli.words import count_of
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.streams import StreamFollower, TextChange

DEFAULT_MODEL = "text-davinci-003"


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command()(stream)


def stream(
    prompt: Annotated[str, typer.Argument(help="The prompt; - reads it from standard input.")],
    model: Annotated[str, typer.Option(help="See `storymill models list`.")] = DEFAULT_MODEL,
    max_tokens: Annotated[int, typer.Option(min=1, help="Stop after so many tokens.")] = 600,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is the likeliest text.")] = 0.7,
    stop: Annotated[list[str] | None, typer.Option(help="End before this string; may be given up to 4 times.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Send the prompt as a chat message.")] = False,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Print a text token by token, over the WebSocket. Ctrl-C cancels it. In a pipe, what is told about it goes to
    standard error."""
    text = sys.stdin.read() if prompt == "-" else prompt
    body: dict[str, Any] = {"model": model, "max_tokens": max_tokens, "temperature": temperature}
    body |= {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
    body |= {"stop": stop} if stop else {}
    with connect(state_dir) as api:
        print_stream(api, body)
    say_command(*SHOW_COST, to=beside_texts())


def print_stream(api: Api, body: dict[str, Any]) -> str:
    """Start a stream, print its text as it comes and one line about it (`beside_texts`); returns the text.

    Raises: ClientError when it failed.
    """
    started_at = time.monotonic()
    created = api.post("/streams", body)
    follower = StreamFollower(created["ws_url"], created["id"], api.api_key)
    first_text_at: float | None = None
    try:
        for change in follower.changes():
            first_text_at = first_text_at or time.monotonic()
            show_change(change, follower.fold.text)
    except KeyboardInterrupt:
        api.post(f"/streams/{created['id']}/cancel")
        say("\ncancelled", style="yellow", to=beside_texts())
        raise typer.Exit(130) from None
    end = follower.fold.end
    assert end is not None
    console.print()
    if end["error"]:
        raise ClientError(f"The stream failed: {end['error']['message']}")
    say(describe_end(end, first_text_at, started_at, time.monotonic()), style="dim", to=beside_texts())
    return follower.fold.text


def show_change(change: TextChange, text: str) -> None:
    """Append to what is on the screen; a text that was rewound is written again below."""
    sys.stdout.write(f"\n\n{text}" if change.removed else change.added)
    sys.stdout.flush()


def describe_end(end: dict[str, Any], first_text_at: float | None, started_at: float, ended_at: float) -> str:
    """Return one line: tokens, time to the first text, rate, and that the text is the stored one."""
    tokens = (end.get("usage") or {}).get("completion_tokens")
    parts = [count_of(end["chars"], "character") if tokens is None else count_of(tokens, "token")]
    if first_text_at is not None:
        parts.append(f"first text after {first_text_at - started_at:.2f} s")
        if tokens and ended_at > first_text_at:
            parts.append(f"{tokens / (ended_at - first_text_at):,.0f} tokens/s")
    parts.append(f"finish: {end['finish_reason']}")
    parts.append("text = stored row (sha256 checked)")
    return " · ".join(parts)
