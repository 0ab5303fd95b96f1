"""The demo's steps from stories to tuned models: prepare, train, ask, count the cost, show the line."""

from pathlib import Path
from typing import Any

from rich.panel import Panel
from rich.text import Text

from storymill.cli.datasets import prepare_there
from storymill.cli.demo_stories import tell_again_if_lost
from storymill.cli.fine_tune import build_request, describe_method, start_job
from storymill.cli.fine_tunes import JOBS, draw_results
from storymill.cli.model_family import draw_tree
from storymill.cli.models import path_of
from storymill.cli.roi import print_return
from storymill.cli.terminal import console, print_broad
from storymill.cli.tuning_view import describe_job_cost
from storymill.cli.words import describe_state
from storymill.client.errors import ClientError
from storymill.client.rest import Api
from storymill.client.statuses import FINE_TUNING_OPEN

Json = dict[str, Any]

SUFFIX = "ultraman"
ALIAS = "ultraman@demo"
MADE_BY = {"made_by": "storymill-demo"}
VALIDATION_SHARE = 0.1
BATCH_SIZE = 1
"""The article's."""
STORY_TOKENS = 600
TEMPERATURE = 0.5
"""The recipe's. The article asks with 0.7, where a model of this size loses its thread more often."""
ARTICLE_DAY = "2023-04-04"
LONG_PROMPT_TOKENS, SHORT_PROMPT_TOKENS, COMPLETION_TOKENS = 130, 15, 650
"""About what OpenAI's tokenizer of that time made of the recipe's prompt, of `唐,隐形,轻松 ->` and of a story (the
article's result table: some 660 tokens a row)."""


ARTICLE_CALLS = {
    "on": ARTICLE_DAY,
    "model": "curie-ft",
    "against": "text-davinci-003",
    "provider": "openai",
    "against_provider": "openai",
    "tuned": {"prompt_tokens": SHORT_PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS},
    "base": {"prompt_tokens": LONG_PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS},
}


def prepare_run(api: Api, generation_id: str) -> Json:
    """Turn a run into training rows: `唐,隐形,轻松 ->` and the story. Stories that were cut off are left out."""
    return prepare_there(
        api, [{"generation": generation_id}], {"validation_share": VALIDATION_SHARE, "apply": ["truncated"]}
    )


def cancel_leftovers(api: Api) -> None:
    """Cancel what a demo that was stopped in the middle left behind: the engine trains one job at a time."""
    for job in api.list_all(JOBS, at_most=20, **{"metadata[made_by]": MADE_BY["made_by"]}):
        if job["status"] in FINE_TUNING_OPEN:
            api.post(f"{JOBS}/{job['id']}/cancel")
            console.print(f"cancelled {job['id']}, left behind by an earlier demo", highlight=False)


def train(api: Api, dataset: Json, model: str, *, epochs: int, learning_rate_multiplier: float) -> Json:
    """Fine-tune a model on a dataset, watched to its end; returns the job. Raises: ClientError without a model."""
    hyperparameters = {
        "n_epochs": epochs,
        "batch_size": BATCH_SIZE,
        "learning_rate_multiplier": learning_rate_multiplier,
    }
    body = build_request(
        dataset=dataset["id"], model=model, suffix=SUFFIX, method=describe_method(hyperparameters), metadata=MADE_BY
    )
    job = start_job(api, body, must_ask=True, must_watch=True)
    if job["fine_tuned_model"] is None:
        raise ClientError(f"{job['id']} is {describe_state(job['status'])}: the demo needs its model.")
    return job


def show_jobs(api: Api) -> None:
    """Print the newest jobs, as `fine-tunes list` does."""
    for job in api.list_all(JOBS, at_most=5):
        console.print(
            Text(f"{job['id']}  {describe_state(job['status'])}  {describe_models(job)}  {describe_job_cost(job)}")
        )


def describe_models(job: Json) -> str:
    """Return what was tuned, and what came of it."""
    return f"{job['model']} → {job['fine_tuned_model']}" if job["fine_tuned_model"] else f"{job['model']} (no model)"


def show_results(api: Api, job_id: str, picture: Path) -> None:
    """Draw the curves here and into a picture."""
    draw_results(api, job_id, plot=True, png=picture)


def tell_story(api: Api, model: str, prompt: str) -> None:
    """Ask for a story as the article does, and print it; once more where it lost its language."""
    tell_again_if_lost(lambda: print_answer(api, model, prompt))


def print_answer(api: Api, model: str, prompt: str) -> str:
    """Ask for a text, print it in a frame, and return it."""
    body = {"model": model, "prompt": prompt, "max_tokens": STORY_TOKENS, "temperature": TEMPERATURE}
    answer = api.post("/completions", body)
    choice, usage = answer["choices"][0], answer["usage"]
    counted = f"{usage['prompt_tokens']} + {usage['completion_tokens']} tokens" if usage else "tokens not counted"
    footer = f"{counted} · {choice['finish_reason']}"
    console.print(Panel(Text(choice["text"].strip()), title=Text(prompt.strip()), subtitle=footer), highlight=False)
    text: str = choice["text"]
    return text


def show_cost(api: Api, job: Json, stories: int) -> None:
    """Print what the training cost here, and when the article's tuned curie would have paid at its prices."""
    tokens = job["trained_tokens"]
    console.print(f"Here: {describe_job_cost(job)} for {tokens:,} trained tokens, on this machine.", highlight=False)
    console.print(f"As the article did it, at OpenAI's prices of {ARTICLE_DAY}, with {stories} stories:")
    for against in ("gpt-3.5-turbo", "text-davinci-003"):
        found = api.get("/prices/compare", model="curie-ft", against=against, provider="openai", on=ARTICLE_DAY)
        console.print(f"  curie-ft costs {found['times']['output']:g} × {against} per token", highlight=False)
    training = api.get("/prices/show", model="curie", provider="openai", on=ARTICLE_DAY)
    costs = {
        "data_usd": price_tokens(found["against"], "output", stories * (LONG_PROMPT_TOKENS + COMPLETION_TOKENS)),
        "training_usd": price_tokens(training, "training_token", tokens),
    }
    print_return(api.post("/roi", {**ARTICLE_CALLS, **costs}))


def price_tokens(prices: Json, unit: str, tokens: int) -> float:
    """Return dollars. That model cost as much to read as to write."""
    return float(round(prices["usd_per_unit"][unit] * tokens / 1_000_000, 6))


def show_line(api: Api, model: str) -> None:
    """Print the tree of a model: which came of which, by how many rows."""
    print_broad(draw_tree(api.get(f"{path_of(model)}/tree")))
