"""Amounts, counts, states and causes as commands print them."""

from typing import Any

import pytest
from rich.console import Console

from storymill.cli.cost_curve import draw_costs
from storymill.cli.job_fields import describe_job
from storymill.cli.model_facts import describe_price, describe_template
from storymill.cli.model_family import describe_cell
from storymill.cli.progress import describe_rate, describe_spending
from storymill.cli.run_details import describe_cells, describe_failures
from storymill.cli.usage import draw_bar, find_shares
from storymill.cli.words import count_of, describe_limit, describe_wish, format_usd, list_of


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "unknown"),
        (0, "$0"),
        (0.4, "$0.40"),
        (12.5, "$12.50"),
        (1234.567, "$1,234.57"),
        (0.00486, "$0.00486"),
        (0.000000001, "$0.000000001"),
        (0.12345678, "$0.1235"),
        (-0.118, "-$0.118"),
    ],
)
def test_dollars_keep_the_figures_that_count(amount: float | None, shown: str) -> None:
    assert format_usd(amount) == shown


def test_bars_show_tokens_where_nothing_costs() -> None:
    rows = [{"cost_usd": 0.0, "total_tokens": 300}, {"cost_usd": 0.0, "total_tokens": 100}]
    assert find_shares(rows) == [0.75, 0.25]
    assert find_shares([{"cost_usd": 1.0, "total_tokens": 1}, {"cost_usd": 0.0, "total_tokens": 9}]) == [1.0, 0.0]
    assert (draw_bar(0.0, 24), draw_bar(0.0001, 24), len(draw_bar(1.0, 24))) == ("", "╸", 24)


def test_the_cost_curve_is_labelled_with_whole_calls() -> None:
    points = [{"calls": 500 * n, "base_usd": n * 1.0, "tuned_usd": 10 + n * 0.5} for n in range(21)]
    console = Console(width=100, record=True, file=None)
    with console.capture() as captured:
        console.print(draw_costs(points, 90, 12))
    assert "10,000" in captured.get()
    assert "base model" in captured.get()


@pytest.mark.parametrize(
    ("count", "thing", "said"),
    [(1, "epoch", "1 epoch"), (2, "epoch", "2 epochs"), (0, "story", "0 stories"), (1000, "row", "1,000 rows")],
)
def test_one_thing_is_not_several(count: int, thing: str, said: str) -> None:
    assert count_of(count, thing) == said


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [list_of(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("verb", "status", "said"),
    [
        ("pause", "running", "is being paused"),
        ("pause", "paused", "paused"),
        ("resume", "paused", "goes on"),
        ("cancel", "running", "is being cancelled"),
        ("cancel", "succeeded", "succeeded"),
    ],
)
def test_a_verb_is_answered_by_what_will_be(verb: str, status: str, said: str) -> None:
    assert describe_wish(verb, status) == said


def make_run(*, succeeded: int = 0, running: int = 0, tokens: int = 0, limited_by: str | None = None) -> dict[str, Any]:
    counts = {"total": 10, "succeeded": succeeded, "failed": 0, "rejected": 0, "running": running}
    usage = {"prompt_tokens": tokens, "completion_tokens": 0}
    return {"counts": counts, "usage": usage, "cost_usd": None, "limited_by": limited_by}


def test_a_run_of_which_nothing_can_be_known_is_starting() -> None:
    assert describe_rate(make_run(), 0.0) == "starting"
    early = describe_rate(make_run(running=4, limited_by="upstream_latency"), 0.0)
    assert early == "the first stories are being written · 4 in flight"


def test_a_run_that_is_over_has_no_rate() -> None:
    assert describe_rate(make_run(succeeded=10, tokens=900), 0.0) == "900 tokens · 0 in flight"


def test_what_holds_a_run_up_is_said_in_words() -> None:
    said = describe_rate(make_run(succeeded=2, running=4, tokens=900, limited_by="upstream_latency"), 2.0)
    assert said == "2.0 stories/s · 900 tokens · 4 in flight · 0:04 left · waiting for the model"
    stalled = describe_rate(make_run(succeeded=2, running=4, tokens=900, limited_by="provider_down"), 0.0)
    assert stalled == "0.0 stories/s · 900 tokens · 4 in flight · waiting: the provider does not answer"
    assert "the provider does not answer" in describe_rate(make_run(running=1, limited_by="provider_down"), 0.0)
    assert describe_limit("a_cause_of_tomorrow") == "a cause of tomorrow"


def test_a_job_is_shown_without_what_its_method_does_not_have() -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "beta": "auto", "seed": None}}}
    replay = {"share": 0.2, "replayed_rows": {"ft:a": 1, "ft:b": 3}, "positions": {"dsv": [1]}, "file_id": "file-1"}
    estimate = {"billed_tokens": 6500, "epochs": 1, "usd": 0.0, "seconds": 98.0, "price": {"note": "x"}}
    job = {"id": "ftjob-1", "status": "validating_files", "method": method, "replay": replay, "estimate": estimate}
    shown = dict(describe_job({**job, "trained_tokens": None, "error": {"message": "no", "code": None}}))
    assert shown == {
        "id": "ftjob-1",
        "status": "checking files",
        "method": "supervised: 1 epoch",
        "replay": "20% of the ancestors' rows (1 row of ft:a and 3 rows of ft:b)",
        "estimate": "6,500 tokens in 1 epoch · $0 · about 1:38",
        "error": "no",
    }


def test_a_models_card_holds_no_name_of_a_program() -> None:
    assert describe_template({"format": "chat", "separator": None, "stop": None}) == (
        "chat, by the model's own chat template"
    )
    assert describe_template({"format": "completion", "separator": " ->", "stop": None}) == (
        "prompts end in ' ->', texts have no common end"
    )
    price = {"input_usd_per_million": 0.0, "output_usd_per_million": 2.5, "note": "providers.toml", "source": None}
    assert list(describe_price(price)) == [
        "input, per million tokens: $0",
        "output, per million tokens: $2.50",
        "use: providers.toml",
    ]


def test_a_job_says_what_it_is_at_and_why_in_words() -> None:
    paused = {"id": "ftjob-1", "status": "paused", "status_reason": "budget", "step": "give_up"}
    assert dict(describe_job(paused)) == {
        "id": "ftjob-1",
        "status": "paused",
        "because": "the budget is reached",
        "at": "giving up its training",
    }
    assert "at" not in dict(describe_job({"id": "ftjob-1", "status": "succeeded", "step": "done"}))


def test_a_forgotten_row_is_judged_in_words() -> None:
    cell = {"loss": 1.5, "token_accuracy": 0.41, "loss_change": 0.3, "status": "succeeded", "error": None}
    assert describe_cell(cell) == ("1.500", "41%", "+0.300, much worse")
    assert describe_cell({**cell, "loss_change": 0.02})[2] == "+0.020, as good"
    assert describe_cell({**cell, "loss": None, "status": None}) == ("not measured", "", "")


def test_what_a_run_will_have_cost_stands_beside_what_it_has() -> None:
    run = {**make_run(succeeded=4), "cost_usd": 0.2, "cost_known": True}
    assert describe_spending(run) == "$0.20 of about $0.50"
    assert describe_spending({**run, "budget_usd": 1.0}) == "$0.20 of about $0.50, at most $1.00"
    assert describe_spending({**run, "cost_known": False}) == "$0.20", "a part of the cost is not known"
    assert describe_spending({**make_run(succeeded=10), "cost_usd": 0.2}) == "$0.20"
    assert describe_spending({**make_run(), "cost_usd": 0.2}) == "$0.20"


def test_cells_and_failures_are_said_in_words() -> None:
    assert describe_cells({"filled": 1200, "total": 3000}) == "1,200 of 3,000 cells filled"
    classes = [{"failure_class": "rule_broken", "stories": 3}, {"failure_class": None, "stories": 1}]
    assert describe_failures(classes) == ["3 × rule broken", "1 × unknown"]
