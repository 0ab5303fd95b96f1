"""One sitting of a reviewer: from the check of the terminal to the account of what was sent."""

import sys
from typing import Final

from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.decisions import TAKEN_BACK, Unsent
from storymill.cli.story_review.unsent_file import UnsentFile, find_folder, name_of
from storymill.cli.story_review.window import Json
from storymill.cli.terminal import console, say, say_command
from storymill.cli.words import count_of
from storymill.client.errors import ClientError
from storymill.client.rest import Api

FINISH_SECONDS: Final = 10.0
MOST_NAMED: Final = 20
VERDICTS: Final = ("accepted", "rejected")


def require_terminal() -> None:
    """Pass where a screen can be drawn. Raises: ClientError, which names the command for a pipe."""
    are_terminals = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    if not are_terminals or console.is_dumb_terminal:
        raise ClientError(
            "The review is a screen of its own and needs a terminal. From a pipe or script judge one story a command: "
            "storymill stories review STORY_ID accepted|rejected (ids: storymill stories list --ids)"
        )


def hold_sitting(api: Api, generation: str | None, status: str | None) -> bool:
    """Let a person review, and say what became of it; returns whether everything was sent. Raises: ClientError when
    the mill refuses or cannot be reached at the beginning."""
    run = find_run(api, generation)
    from storymill.cli.story_review.app import ReviewApp  # noqa: PLC0415 textual is heavy and this command's alone

    app = ReviewApp(api, UnsentFile(find_folder(), name_of(api.base_url, api.api_key)), run=run, status=status)
    try:
        app.run()
    finally:
        unsent = end_sitting(app.sender)
        report(app.sender, unsent, app.run_shown)
    return not unsent


def find_run(api: Api, generation: str | None) -> Json | None:
    """Return the run that was named, else the newest; None where there is none yet.

    Raises: ClientError when the run is not there or the mill cannot be reached."""
    if generation is not None:
        return api.get(f"/generations/{generation}")
    newest: list[Json] = api.get("/generations", limit=1)["data"]
    return newest[0] if newest else None


def end_sitting(sender: DecisionSender) -> list[Unsent]:
    """Wait for what is on its way, unless Ctrl-C comes; return what was not sent."""
    try:
        if sender.count_waiting():
            say(f"Sending {count_of(sender.count_waiting(), 'decision')}; Ctrl-C keeps them for later.")
            sender.finish(FINISH_SECONDS)
    except KeyboardInterrupt:
        say("Not waited for.")
    return sender.leave()


def report(sender: DecisionSender, unsent: list[Unsent], run: Json | None) -> None:
    """Say what was sent and what was not, and what comes next."""
    if sender.sent:
        kinds = ", ".join(f"{number:,} {word}" for word, number in sorted(sender.sent.items()))
        say(f"Sent: {kinds}.")
    else:
        say("Nothing was sent." if unsent else "Nothing was decided.")
    overtaken = [one for one in unsent if one.is_overtaken]
    kept = [one for one in unsent if not one.is_overtaken]
    if overtaken:
        name_unsent(f"Not sent, since others were faster: {count_of(len(overtaken), 'decision')}.", overtaken)
        say_command("Overwrite one", f"storymill stories review {overtaken[0].decision.story_id} accepted|rejected")
    if kept:
        name_unsent(f"Not sent: {count_of(len(kept), 'decision')}, kept; the next review sends them first.", kept)
        say_command("Send them", "storymill stories review")
    elif run is not None and any(sender.sent[word] for word in (*VERDICTS, TAKEN_BACK)):
        say_command("Once all are reviewed", f"storymill datasets prepare {run['id']}")


def name_unsent(title: str, unsent: list[Unsent]) -> None:
    """Say which decisions were not sent, and why."""
    say(title, style="yellow")
    for one in unsent[:MOST_NAMED]:
        say(f"  {one.decision.story_id} {one.decision.word}: {one.because}")
    if len(unsent) > MOST_NAMED:
        say(f"  and {len(unsent) - MOST_NAMED:,} more")
