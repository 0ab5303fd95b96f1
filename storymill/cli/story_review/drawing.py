"""What of a story is drawn, in the terminal's own sixteen colours and default ground: they suit dark and light alike.

Verdicts are told apart by their signs too."""

from collections.abc import Iterable
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from storymill.cli.words import count_of, describe_state, format_usd

Json = dict[str, Any]

SIGNS: Final = {"accepted": ("✓", "green"), "rejected": ("✗", "red")}
REFUSED: Final = ("!", "bold magenta")
TEASER: Final = 200
"""Characters of a text that a line of the list may begin with."""
UNSEEN: Final = {
    **{code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"},
    **dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), None),  # they turn whole lines around
    ord("\t"): "    ",
    ord("\r"): None,
}
"""What a model may write and a terminal must not obey."""
UNSEEN_IN_EDITOR: Final = {code: sign for code, sign in UNSEEN.items() if sign and chr(code) not in "\t\r"}
"""Tabs and ends of lines are the editor's own, and nothing is taken out of a text unseen."""


def tame(text: str) -> str:
    """Return a text that a terminal shows and does not obey."""
    return text.translate(UNSEEN)


def tame_for_editor(text: str) -> str:
    """Return a text to be mended: signs that a terminal would obey are replaced for good."""
    return text.translate(UNSEEN_IN_EDITOR)


def is_cut(story: Json) -> bool:
    """Say whether a story ended at the token limit."""
    return bool(story["finish_reason"] == "length")


def draw_line(story: Json, width: int, *, is_read: bool, is_refused: bool) -> Text:
    """Return a story's line of the list, exactly so many cells wide."""
    sign, colour = REFUSED if is_refused else SIGNS.get(story["review"], (" ", ""))
    what = " ".join(" · ".join(map(str, story["attributes"].values())).split())
    begin = " ".join((story["text"] or describe_failure(story) or describe_state(story["status"]))[:TEASER].split())
    line = fit(tame(f" {story['position'] + 1:>4} {what}  {begin}"), max(width - 2, 0))
    drawn = Text(no_wrap=True)
    drawn.append(f" {sign}", style=colour)
    drawn.append(line)
    if is_read:
        drawn.stylize("bold reverse", 2)
    return drawn


def fit(text: str, width: int) -> str:
    """Return a text of exactly so many cells; a wide character that has half its room is left out."""
    if cell_len(text) > width > 0:
        text = f"{set_cell_size(text, width - 1).rstrip()}…"
    return set_cell_size(text, width)


def draw_text(story: Json, *, is_unfolded: bool) -> Text:
    """Return a story's text, or why there is none; unfolded with what it was asked by and what a reviewer mended."""
    drawn = Text()
    if story["text"] is not None:
        drawn.append(tame(story["text"].strip()) or "(blank)")
    elif failure := describe_failure(story):
        drawn.append(tame(failure), style="red")
    else:
        drawn.append(f"Not written yet ({describe_state(story['status'])}).", style="italic")
    if is_unfolded:
        below = (("What the model wrote", story["original_text"]), ("Prompt", story["prompt"]))
        for title, text in below:
            if text is not None:
                drawn.append(f"\n\n{title}\n", style="bold cyan")
                drawn.append(tame(text.strip()))
    return drawn


def describe_failure(story: Json) -> str:
    """Return why a story failed; empty for one that did not."""
    failure = story["failure"]
    return f"{failure['class'].replace('_', ' ')}: {failure['message']}" if failure else ""


def draw_facts(story: Json, findings: list[str] | None, refused: str | None, *, is_wide: bool) -> Text:
    """Return what stands beside a text: a line each where there is room, else one after the other."""
    facts = [(name, tame(str(value)), "") for name, value in story["attributes"].items()]
    facts.append(("review", *describe_verdict(story)))
    if story["finish_reason"]:
        ended = "cut at the token limit" if is_cut(story) else story["finish_reason"]
        facts.append(("ended by", ended, "magenta" if is_cut(story) else ""))
    if story["status"] != "succeeded":
        facts.append(("state", describe_state(story["status"]), ""))
    tokens = (story["usage"] or {}).get("completion_tokens")
    if tokens is not None:
        facts.append(("tokens", count_of(tokens, "token").split()[0], ""))
    if is_wide:
        facts.append(("characters", f"{len(story['text'] or ''):,}", ""))
        facts.append(("model", tame(story["model"] or "-"), ""))
        facts.append(("cost", format_usd(story["cost_usd"]), ""))
        facts.append(("calls", f"{story['attempt']:,}", ""))
    drawn = join_facts(facts, "\n" if is_wide else "   ")
    notes = [("rule", tame(finding), "magenta") for finding in findings or ()]
    if refused is not None:
        notes.append(("not sent", tame(refused), "bold magenta"))
    return Text("\n").join([drawn, join_facts(notes, "\n")]) if notes else drawn


def describe_verdict(story: Json) -> tuple[str, str]:
    """Return a story's verdict with its colour."""
    sign, colour = SIGNS.get(story["review"], ("", ""))
    word = f"{sign} {story['review']}" if sign else "none yet"
    return (f"{word}, text mended" if story["original_text"] is not None else word), colour


def join_facts(facts: Iterable[tuple[str, str, str]], between: str) -> Text:
    """Return names and values, the names less loud."""
    drawn = Text()
    for name, value, style in facts:
        if drawn:
            drawn.append(between)
        drawn.append(f"{name} ", style="cyan")
        drawn.append(value, style=style)
    return drawn


def list_findings(lineage: Json) -> list[str]:
    """Return why rules of the recipe refused texts of a story, once each with the number of calls."""
    reasons = [call["rejected"]["because"] for call in lineage["attempts"] if call["rejected"]]
    return [f"{one} ({count_of(reasons.count(one), 'text')} refused)" for one in dict.fromkeys(reasons)]


def draw_keys(keys: Iterable[tuple[str, str]], between: str) -> Text:
    """Return the line of keys."""
    drawn = Text(no_wrap=True)
    for key, word in keys:
        if drawn:
            drawn.append(between)
        drawn.append(key, style="bold")
        drawn.append(f" {word}")
    return drawn
