"""`storymill models compare`: order a comparison, vote on it here if people judge, show what it came to."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from storymill.cli.connection import connect
from storymill.cli.next_steps import after_comparison
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.terminal import console, say, say_command
from storymill.cli.words import count_of
from storymill.client.rest import Api
from storymill.client.statuses import COMPARISON_WORKABLE

LOOK_SECONDS: Final = 1.0
HUMAN: Final = "human"
KEYS: Final = {"a": "a", "b": "b", "t": "tie"}


def compare(
    model: str,
    against: str,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help="A prompt; give as many as you like.")] = None,
    file: Annotated[str | None, typer.Option(help="A file's id, or a JSON-lines file to upload.")] = None,
    generation: Annotated[str | None, typer.Option(help="A run: its cells against its recipe's prompts.")] = None,
    long_prompt: Annotated[
        str | None, typer.Option(help="What the second model is asked: {{ prompt }} is the short prompt.")
    ] = None,
    judge: Annotated[str, typer.Option(help="A model, or 'human' to vote here.")] = HUMAN,
    samples: Annotated[int, typer.Option(min=1, max=200)] = 10,
    max_tokens: Annotated[int, typer.Option(min=1)] = 600,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.7,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Have two models write to the same prompts, and let a judge or yourself say which is better."""
    with connect(state_dir) as api:
        body = {
            "model": model,
            "against": against,
            "prompts": prompt or None,
            "file": upload_if_local(api, file),
            "generation": generation,
            "long_prompt_template": long_prompt,
            "judge": HUMAN if judge == HUMAN else {"model": judge},
            "samples": samples,
            "parameters": {"max_tokens": max_tokens, "temperature": temperature},
        }
        ordered = api.post("/model_comparisons", body)
        found = wait_while_written(api, ordered["id"])
        if found["status"] == "voting":
            found = vote_on_all(api, ordered["id"])
    print_result(found)


def upload_if_local(api: Api, file: str | None) -> str | None:
    """Return the id of a file, uploaded now if it lies here."""
    if file is None or not Path(file).is_file():
        return file
    return str(api.upload("/files", Path(file), purpose="fine-tune")["id"])


def wait_while_written(api: Api, comparison_id: str) -> dict[str, Any]:
    """Wait until the texts are there, and show how many are."""
    path = f"/model_comparisons/{comparison_id}"
    with console.status(f"{comparison_id}: both models write …") as status:
        while True:
            found = api.get(path)
            if found["status"] not in COMPARISON_WORKABLE:
                return found
            pairs = api.get(f"{path}/pairs")["data"]
            written = sum(pair.get("text", pair.get("a")) is not None for pair in pairs)
            status.update(f"{comparison_id}: {written} of {len(pairs)} pairs written …")
            time.sleep(LOOK_SECONDS)


def vote_on_all(
    api: Api, comparison_id: str, to: Console = console, ask: Callable[[str], str] = typer.prompt
) -> dict[str, Any]:
    """Ask for a vote on each pair that has none; nothing tells which text is whose."""
    path = f"/model_comparisons/{comparison_id}"
    waiting = [pair for pair in api.get(f"{path}/pairs")["data"] if not pair["is_voted"]]
    found = api.get(path)
    for number, pair in enumerate(waiting, start=1):
        to.rule(f"{number} of {len(waiting)}")
        say(pair["prompt"], style="italic", to=to)
        for side in ("a", "b"):
            to.print(Panel(Text((pair[side] or "").strip()), title=side.upper()), highlight=False)
        answer = ""
        while answer not in KEYS:
            answer = ask("Which is better: a, b, or t for a tie").strip().lower()
        found = api.post(f"{path}/votes", {"position": pair["position"], "vote": KEYS[answer]})
    return found


def print_result(found: dict[str, Any]) -> None:
    """Print wins, the win rate with its interval, and the losses on held-out rows."""
    console.print(f"{found['id']}: {found['model']} against {found['against']}", markup=False, soft_wrap=True)
    if found["status"] != "succeeded":
        message = (found["error"] or {}).get("message", found["status"])
        say(message, style="red")
        raise typer.Exit(1)
    result = found["result"]
    low, high = result["interval"]
    console.print(
        f"{result['wins']} won, {result['losses']} lost, {result['ties']} tied of {result['pairs']} pairs: "
        f"win rate {result['win_rate']:.0%} ({low:.0%} to {high:.0%} with {result['confidence']:.0%} confidence)",
        style="bold",
    )
    if result["swayed_by_order"] is not None:
        say(f"the order decided {result['swayed_by_order']:.0%} of the pairs, which count as ties")
    held_out = result.get("held_out")
    if held_out and "error" in held_out:
        say(f"held-out loss: {held_out['error']}", style="yellow")
    elif held_out:
        rows = count_of(held_out["rows"], "held-out row")
        say(f"loss on {rows}: {held_out['model']:.3f} / {held_out['against']:.3f}")
    say_command(*after_comparison(found))
