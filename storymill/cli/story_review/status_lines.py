"""The lines above and below the story: what is read, how far, what is on its way, which keys there are."""

from typing import Final

from rich.cells import cell_len

from storymill.cli.story_review.decision_sender import DecisionSender
from storymill.cli.story_review.drawing import fit
from storymill.cli.story_review.progress import name_run
from storymill.cli.story_review.window import Json
from storymill.cli.words import count_of, describe_state

REVIEWS: Final = ("none", "", "accepted", "rejected")
REVIEW_WORDS: Final = {"none": "to review", "": "reviewed or not", "accepted": "accepted", "rejected": "rejected"}
STATES: Final = ("succeeded", "", "failed", "rejected", "queued")
KEYS: Final = (
    ("J/K", "move"),
    ("A", "accept"),
    ("R", "reject"),
    ("E", "edit"),
    ("U", "undo"),
    ("P", "prompt"),
    ("F", "filter"),
    ("S", "state"),
    ("G", "run"),
    ("Q", "quit"),
)
"""The console's letters where it has them."""


def draw_head(run: Json | None, review: str, status: str, done: str, width: int) -> str:
    """Return what is read, and how far it is reviewed."""
    state = describe_state(status) if status else "any state"
    what = f" {name_run(run) if run else 'every run'} · {REVIEW_WORDS[review]} · {state}"
    return f"{fit(what, max(width - cell_len(done) - 2, 0))} {done} "


def draw_notice(sender: DecisionSender, problem: str, left_over: int) -> str:
    """Return what a reviewer must know of the sending and the reading."""
    notes = []
    if sender.trouble is not None:
        waiting = count_of(sender.count_waiting(), "decision")
        notes.append(f"{waiting} kept until the gateway answers: {sender.trouble}")
    if refused := sender.list_refused():
        last = refused[-1]
        notes.append(f"{len(refused):,} not sent (T sends again); the last: {last.decision.word}, {last.because}")
    if problem:
        notes.append(problem)
    if left_over:
        notes.append(f"{count_of(left_over, 'decision')} of an earlier review sent first")
    return f" {' · '.join(notes)}" if notes else ""


def next_of(values: tuple[str, ...], value: str) -> str:
    """Return what comes after a value, round and round; the first one after a value that is none of them."""
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
