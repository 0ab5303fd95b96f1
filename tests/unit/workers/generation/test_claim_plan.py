"""Which of the locked rows are called for, with what money."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from services.workers.generation.claim import Emptiness, plan_claim
from services.workers.generation.run import Run, prepare_run
from shared.outside.providers.configuration import Provider, Target, TokenPrice
from shared.stores.db.repositories.generation_progress import Funds, WorkOrder
from shared.stores.db.repositories.story_claims import QueuedStory

PRICE = TokenPrice(Decimal(0), Decimal(10_000))  # a cent a token


class Unspeakable:
    """A value that the template engine stumbles over."""

    def __str__(self) -> str:
        raise RecursionError


def build_run(rules: dict[str, Any] | None = None, **parameters: Any) -> Run:
    """Return a run whose calls cost at most a dollar each, unless the parameters say otherwise."""
    order = WorkOrder("gen_1", "p", "k", "m", {"max_tokens": 100, **parameters}, 1, 5, "completion", "写{{ hero }}",
                      {}, [], "hash", rules=rules)  # fmt: skip
    return prepare_run(order, Target(Provider("upstream", "http://x/v1", prices=(("*", PRICE),)), "m"))


def build_rows(count: int) -> list[QueuedStory]:
    """Return locked rows."""
    return [QueuedStory(f"story_{number}", 2, {"hero": "奥特曼"}) for number in range(count)]


def build_funds(budget: str, spent: str = "0", reserved: str = "0") -> Funds:
    """Return the money of a run."""
    return Funds(Decimal(budget), Decimal(spent), Decimal(reserved))


def test_without_a_budget_every_row_is_called_for() -> None:
    claim = plan_claim(build_run(), build_rows(4), None)
    assert [call.number for call in claim.calls] == [3, 3, 3, 3]
    assert claim.reserved_usd == 4


def test_a_budget_admits_the_rows_whose_worst_case_it_covers() -> None:
    claim = plan_claim(build_run(), build_rows(4), build_funds("5.5", spent="2", reserved="1"))
    assert len(claim.calls) == 2
    assert claim.empty_because is None


def test_money_under_way_is_waited_for_and_spent_money_is_not() -> None:
    run, rows = build_run(), build_rows(1)
    assert plan_claim(run, rows, build_funds("2", reserved="1.5")).empty_because is Emptiness.BUDGET_RESERVED
    assert plan_claim(run, rows, build_funds("2", spent="1.5")).empty_because is Emptiness.BUDGET_SPENT


def test_a_row_whose_prompt_cannot_be_rendered_is_failed_without_a_call() -> None:
    claim = plan_claim(build_run(), [QueuedStory("story_1", 0, {}), *build_rows(1)], None)
    assert [row.id for row in claim.unsendable] == ["story_1"]
    assert len(claim.calls) == 1


def test_a_defect_of_ours_in_making_a_prompt_fails_that_row_alone() -> None:
    run, rows = build_run(), build_rows(2)
    rows[0].attributes["hero"] = Unspeakable()
    claim = plan_claim(run, rows, None)
    assert [(row.id, row.failure_class) for row in claim.unsendable] == [("story_0", "internal_error")]
    assert [call.story_id for call in claim.calls] == ["story_1"]


def test_no_row_is_no_claim() -> None:
    assert plan_claim(build_run(), [], None).empty_because is Emptiness.NO_ROW_DUE


def test_a_row_decides_by_itself_how_many_texts_it_has() -> None:
    run = build_run(n=3, best_of=4, stream=True, temperature=0.9)
    assert run.build_body("写") == {"max_tokens": 100, "temperature": 0.9, "prompt": "写"}


def test_repeats_of_a_cell_have_seeds_of_their_own_and_always_the_same() -> None:
    run = build_run(seed=7)
    cell = [QueuedStory(f"story_{repeat}", 0, {"hero": "奥特曼"}, repeat) for repeat in range(3)]
    calls = plan_claim(run, cell, None).calls
    assert [run.build_body(call.prompt, call.repeat)["seed"] for call in calls] == [7, 8, 9]


def test_a_run_without_a_seed_sends_none() -> None:
    assert "seed" not in build_run().build_body("写", 3)
    assert build_run(seed=None).build_body("写", 3)["seed"] is None


def test_a_row_that_was_cut_is_asked_for_longer_and_the_worst_case_of_that_is_reserved() -> None:
    run = build_run({"raise_max_tokens": 300})
    [row] = build_rows(1)
    claim = plan_claim(run, [row, replace(row, was_cut=True)], build_funds("4"))
    assert [call.reserved_usd for call in claim.calls] == [1, 3]
    bodies = [run.build_body(call.prompt, call.repeat, was_cut=call.was_cut) for call in claim.calls]
    assert [body["max_tokens"] for body in bodies] == [100, 300]
    assert len(plan_claim(run, [replace(row, was_cut=True)], build_funds("2.9")).calls) == 0


def test_whichever_limit_the_recipe_names_is_raised() -> None:
    run = build_run({"raise_max_tokens": 300}, max_completion_tokens=50)
    body = run.build_body("写", was_cut=True)
    assert (body["max_tokens"], body["max_completion_tokens"]) == (300, 300)


def test_what_raises_nothing_is_not_asked() -> None:
    assert build_run({"raise_max_tokens": 100}).raised_max_tokens is None
    assert build_run({"raise_max_tokens": 90}).build_body("写", was_cut=True)["max_tokens"] == 100
