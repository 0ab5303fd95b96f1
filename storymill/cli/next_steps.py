"""What comes after each command, from a recipe to a model that is tuned again: the journey, in one place.

A step is a title and a command that can be copied. Knows no terminal and no mill."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final

from storymill.client.statuses import BATCH_FINAL, DATASET_FINAL, FINE_TUNING_FINAL, GENERATION_FINAL

Json = dict[str, Any]
NextStep = tuple[str, str]

FIRST_RECIPE: Final[NextStep] = ("Next", "storymill recipes add data/recipes/ultraman.json")
FIRST_RUN: Final[NextStep] = ("Next", "storymill generate RECIPE --limit 24")
FIRST_DATASET: Final[NextStep] = ("Next", "storymill datasets prepare FILE|RUN")
FIRST_JOB: Final[NextStep] = ("Next", "storymill fine-tune DATASET --model text-davinci-003 --suffix NAME")
FIRST_ALIAS: Final[NextStep] = ("Next", "storymill models promote NAME@prod MODEL|JOB")
FIRST_BATCH: Final[NextStep] = ("Next", "storymill batches create FILE")
FIRST_STREAM: Final[NextStep] = ("Next", "storymill stream PROMPT")
START: Final[NextStep] = ("Start it", "storymill up --detach")
LIST_KEYS: Final[NextStep] = ("See every key", "storymill keys list")
MAKE_KEY: Final[NextStep] = ("Make another", "storymill keys create --name NAME")
SHOW_COST: Final[NextStep] = ("What it cost", "storymill usage --by kind,model")
SHOW_PRICE: Final[NextStep] = ("See one in full", "storymill prices show MODEL --provider PROVIDER")
WEIGH: Final[NextStep] = ("When does a tuned model pay", "storymill roi MODEL --against BASE")
WISHES: Final = {
    "pause": ("Go on later", "resume"),
    "resume": ("Watch it", "watch"),
    "cancel": ("See what it has come to", "show"),
}


LISTS: Final = {
    **{name: name for name in ("recipes", "generations", "stories", "batches", "datasets", "fine-tunes", "models")},
    **{name: name for name in ("providers", "prices", "keys")},
    "generate": "recipes",
    "fine-tune": "datasets",
    "stream": "models",
    "roi": "models",
}
"""By a command's first word: whose list shows what there is to name."""


def after_error(words: Sequence[str], status: int | None, param: str | None) -> NextStep:
    """Return what helps once a command was refused with such a status; None: before it was sent."""
    if status in {401, 403}:
        return LIST_KEYS
    if status == 404 and (param == "model" or (words and words[0] in LISTS)):
        return "See what there is", f"storymill {'models' if param == 'model' else LISTS[words[0]]} list"
    if status == 429:
        return "See the limits", "storymill limits"
    if status is not None and status >= 500:
        return "See how it stands", "storymill status"
    return "See what it takes", " ".join(("storymill", *words, "--help"))


def after_newest(records: Sequence[Json], after: Callable[[Json], NextStep], otherwise: NextStep) -> NextStep:
    """Return what comes after the first of a list; of an empty one, what fills it."""
    return after(records[0]) if records else otherwise


def after_wish(verb: str, group: str, job_id: str) -> NextStep:
    """Return what comes once something was told to pause, resume or cancel."""
    title, following = WISHES[verb]
    return title, f"storymill {group} {following} {job_id}"


def after_delete(group: str) -> NextStep:
    """Return what shows the rest."""
    return "See what is left", f"storymill {group} list"


def after_recipe(recipe: Json) -> NextStep:
    """Return what writes its stories."""
    return "Next", f"storymill generate {shlex.quote(recipe['name'])} --limit 24"


def after_run(run: Json) -> NextStep:
    """Return what takes a run further: to its end, on from a pause, or on to a dataset."""
    if run["status"] == "paused":
        return "Go on", f"storymill generations resume {run['id']}"
    if run["status"] not in GENERATION_FINAL:
        return "Watch it", f"storymill generations watch {run['id']}"
    if run["counts"]["succeeded"]:
        return "Next", f"storymill datasets prepare {run['id']}"
    return "See what became of them", f"storymill stories list --generation {run['id']}"


def show_story(story: Json) -> NextStep:
    """Return what shows a story whole."""
    return "Read one", f"storymill stories show {story['id']}"


def after_story(story: Json) -> NextStep:
    """Return what says whether a story is good enough; of one that is not written, where its run stands."""
    if story["status"] == "succeeded":
        return "Judge it", f"storymill stories review {story['id']} accepted"
    return "See its run", f"storymill generations show {story['generation_id']}"


def after_dataset(dataset: Json) -> NextStep:
    """Return what a dataset is for; while it is none, how to come to one."""
    if dataset["status"] == "succeeded":
        return tune_on(dataset["id"])
    if dataset["status"] in DATASET_FINAL:
        return "Prepare it anew", "storymill datasets prepare FILE|RUN"
    return "See how it stands", f"storymill datasets show {dataset['id']}"


def tune_on(rows: str) -> NextStep:
    """Return what tunes a model on a dataset or file."""
    return "Next", f"storymill fine-tune {rows} --model text-davinci-003 --suffix NAME"


def after_job(job: Json) -> NextStep:
    """Return what a job's model is for: a name that stays leads to it, the one that it began at if it has one. Of a job
    without a model, how to come to one."""
    if job["fine_tuned_model"]:
        alias = job["model"] if "@" in job["model"] else f"{job.get('suffix') or 'NAME'}@prod"
        return "Next", f"storymill models promote {alias} {job['fine_tuned_model']}"
    if job["status"] == "paused":
        return "Go on", f"storymill fine-tunes resume {job['id']}"
    if job["status"] in FINE_TUNING_FINAL:
        return "Try it again", f"storymill fine-tunes retry {job['id']}"
    return "Watch it", f"storymill fine-tunes watch {job['id']}"


def show_model(model: Json) -> NextStep:
    """After a list of models: the command for one of them."""
    return "See one in full", f"storymill models show {model['id']}"


def after_model(model: Json) -> NextStep:
    """Return what shows a tuned model's line; what a base is for."""
    if model.get("parent") or model.get("base_model") or model.get("resolves_to"):
        return "See where it comes from", f"storymill models tree {model['id']}"
    return after_alias(model["id"])


def after_alias(name: str) -> NextStep:
    """Return what asks a model."""
    return "Next", f"storymill stream PROMPT --model {shlex.quote(name)}"


def after_comparison(found: Json) -> NextStep:
    """Return what is done with the better model: it gets the name, or learns more."""
    if found["result"]["wins"] > found["result"]["losses"]:
        return "Next", f"storymill models promote NAME@prod {found['model']} --comparison {found['id']}"
    return tune_again(found["model"])


def after_matrix(model: str, matrix: Json) -> NextStep:
    """Return what measures the rest of a forgetting matrix; of a whole one, what teaches the model more."""
    if all(cell["loss"] is not None for row in matrix["rows"] for cell in row["cells"]):
        return tune_again(model)
    return "Measure what is missing", f"storymill models forgetting {model} --measure"


def tune_again(model: str) -> NextStep:
    """Return what teaches a tuned model more."""
    return "Tune it again with new stories", f"storymill fine-tune DATASET --model {model} --replay 0.2"


def after_probe(folder: str) -> NextStep:
    """Return what has a model that could be served, served."""
    return "Serve it", f"storymill models add {shlex.quote(folder)}"


def after_batch(batch: Json) -> NextStep:
    """Return what follows a batch to its end, or fetches what it has come to."""
    if batch["status"] not in BATCH_FINAL:
        return "Watch it to its end", f"storymill batches watch {batch['id']}"
    if batch.get("output_file_id") or batch.get("error_file_id"):
        command = f"storymill batches watch {batch['id']} --output answers.jsonl --errors errors.jsonl"
        return "Fetch what was answered", command
    return FIRST_BATCH


def compare_price(model: str, provider: str) -> NextStep:
    """Return what sets a model's price beside another's."""
    return "Beside another's", f"storymill prices compare {model} MODEL --provider {provider}"


def show_provider(provider: Json) -> NextStep:
    """After a list of providers: the command for one of them."""
    return "See one in full", f"storymill providers show {provider['name']}"


def after_provider(provider: Json) -> NextStep:
    """Return what tries a provider out."""
    return "Try it out", f"storymill providers test {provider['name']}"
