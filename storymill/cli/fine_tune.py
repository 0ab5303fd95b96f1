"""`storymill fine-tune`: say what a training will take, start it, watch it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from storymill.cli.connection import connect
from storymill.cli.next_steps import after_job
from storymill.cli.option_names import fields_are
from storymill.cli.options import DEFAULT_STATE_DIR, StateDirOption
from storymill.cli.patience import Patience
from storymill.cli.terminal import console, say, say_command
from storymill.cli.tuning_watch import watch_job
from storymill.cli.words import count_of, format_seconds, format_usd
from storymill.client.errors import ClientError
from storymill.client.rest import Api

Json = dict[str, Any]

DATASET_PREFIX = "ds_"
FILE_PREFIX = "file-"
TRAINING_SUFFIX = ".jsonl"


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the app."""
    app.command("fine-tune")(fine_tune)


@fields_are(
    budget_usd="--budget",
    n_epochs="--epochs",
    validation_file="--validation",
    training_file="DATASET|FILE",
    dataset="DATASET|FILE",
)
def fine_tune(
    source: Annotated[str, typer.Argument(metavar="DATASET|FILE", help="ds_…, file-… or a prepared .jsonl file.")],
    model: Annotated[str, typer.Option(help="What to start from: a base, a tuned model, an alias.")],
    suffix: Annotated[str | None, typer.Option(help="Goes into the tuned model's name.")] = None,
    validation: Annotated[str | None, typer.Option(metavar="FILE", help="Held-out rows: file-… or .jsonl.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the rows; the provider's choice.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Rows per step; the provider's choice.")] = None,
    learning_rate_multiplier: Annotated[float | None, typer.Option(min=0, help="The provider's choice.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed, the same run.")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Pause before it costs more dollars.")] = None,
    replay: Annotated[float | None, typer.Option(min=0, max=0.9, help="Mix in this share of ancestors' rows.")] = None,
    wandb: Annotated[str | None, typer.Option(metavar="PROJECT", help="Follow it in Weights & Biases.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Although training and validation share rows.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a training that costs money.")] = False,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Stay and show how it goes.")] = True,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Fine-tune a model: estimate first, then a live curve. Ctrl-C leaves the job running."""
    hyperparameters = {
        "n_epochs": epochs,
        "batch_size": batch_size,
        "learning_rate_multiplier": learning_rate_multiplier,
    }
    with connect(state_dir) as api:
        body = {
            **name_rows(api, source, validation),
            **build_request(
                model=model,
                suffix=suffix,
                seed=seed,
                budget_usd=budget,
                method=describe_method(hyperparameters),
                replay=None if replay is None else {"share": replay},
                integrations=None if wandb is None else [{"type": "wandb", "wandb": {"project": wandb}}],
                force=force or None,
            ),
        }
        say_command(*after_job(start_job(api, body, must_ask=not yes, must_watch=watch)))


def start_job(api: Api, body: Json, *, must_ask: bool, must_watch: bool) -> Json:
    """Print the estimate, make the job, and follow it; returns its last state. Raises: ClientError when the mill
    refuses it, or the job ends without a model."""
    estimate = api.post("/fine_tuning/estimate", body)
    say(describe_estimate(estimate))
    if must_ask and estimate.get("usd") and console.is_terminal:
        typer.confirm("Train for that?", default=True, abort=True)
    job = api.post("/fine_tuning/jobs", body)
    console.print(f"job {job['id']}", style="bold", highlight=False)
    return watch_job(api, job["id"], Patience(console)) if must_watch else job


def build_request(**fields: object) -> Json:
    """Return a body of what was given."""
    return {name: value for name, value in fields.items() if value is not None}


def describe_method(hyperparameters: Json) -> Json | None:
    """Return OpenAI's `method`, or None where everything is left to the provider."""
    given = build_request(**hyperparameters)
    return {"type": "supervised", "supervised": {"hyperparameters": given}} if given else None


def name_rows(api: Api, source: str, validation: str | None) -> Json:
    """Return the fields that name the rows; files of this machine are sent. Raises: ClientError when validation rows
    are given beside a dataset, or a file cannot be sent."""
    if source.startswith(DATASET_PREFIX):
        if validation is not None:
            raise ClientError("A dataset brings its own validation rows: leave --validation out.")
        return {"dataset": source}
    rows = {"training_file": send_file(api, source)}
    return rows if validation is None else {**rows, "validation_file": send_file(api, validation)}


def send_file(api: Api, name: str) -> str:
    """Return the id of a file, sent first if it is one of this machine. Raises: ClientError when there is no such file,
    or it is not prepared."""
    if name.startswith(FILE_PREFIX):
        return name
    path = Path(name)
    if not path.is_file():
        raise ClientError(f"There is no file {path}. (A dataset's id begins with {DATASET_PREFIX}.)")
    if path.suffix.lower() != TRAINING_SUFFIX:
        raise ClientError(f"{path} is not ready for training. Prepare it: storymill datasets prepare {path}")
    sent = api.upload("/files", path, purpose="fine-tune")
    console.print(f"sent {path} ({sent['bytes']:,} bytes): {sent['id']}", markup=False, highlight=False, soft_wrap=True)
    file_id: str = sent["id"]
    return file_id


def describe_estimate(estimate: Json) -> str:
    """Return tokens, cost and time as one line; what is not known says why."""
    epochs = count_of(estimate["epochs"], "epoch")
    parts = [f"estimate: {count_of(estimate['tokens'], 'token')} × {epochs} = {estimate['billed_tokens']:,}"]
    parts[0] += f" ({estimate['tokens_note']})" if estimate.get("tokens_note") else ""
    usd, seconds = estimate.get("usd"), estimate.get("seconds")
    parts.append(
        f"cost unknown ({estimate.get('usd_note')})" if usd is None else f"{format_usd(usd)}{describe_price(estimate)}"
    )
    parts.append("time unknown (nothing trained here yet)" if seconds is None else f"about {format_seconds(seconds)}")
    if estimate.get("learning_rate_multiplier_hint") is not None:
        parts.append(f"learning rate multiplier hint {estimate['learning_rate_multiplier_hint']}")
    return " · ".join(parts)


def describe_price(estimate: Json) -> str:
    """Return where the price comes from."""
    price = estimate.get("price") or {}
    since = f", {price['valid_from']}" if price.get("valid_from") else ""
    return f" ({price['note']}{since})" if price.get("note") else ""
