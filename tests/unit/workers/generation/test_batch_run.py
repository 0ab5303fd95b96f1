"""A run whose rows are the requests of a batch: what is asked, what it may cost, what is kept of the answer."""

from decimal import Decimal

from services.workers.generation.run import Run, prepare_run
from services.workers.generation.run_trust import RunTrust
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.configuration import Provider, Target, TokenPrice
from shared.outside.providers.failures import FailureClass, LlmError
from shared.outside.providers.template_contract import TemplateContract
from shared.stores.db.repositories.generation_progress import WorkOrder

PRICE = TokenPrice(Decimal(0), Decimal(10_000))  # a cent a token


def build_run(endpoint: str, contract: TemplateContract | None = None) -> Run:
    """Return the run of a batch."""
    order = WorkOrder("gen_1", "p", "k", "m", {}, 1, 5, "", "", {}, [], "", "batch_1", endpoint)
    return prepare_run(order, Target(Provider("upstream", "http://x/v1", prices=(("*", PRICE),)), "m"), contract)


def test_a_request_is_sent_as_it_came_without_what_we_do_ourselves() -> None:
    run = build_run("/v1/chat/completions")
    prompt = run.render_prompt({"custom_id": "a", "request": '{"model":"x","messages":[],"n":1,"user":null,"seed":7}'})
    assert run.build_body(prompt, 0) == {"messages": [], "seed": 7}
    assert run.kind == "chat"


def test_each_request_has_its_own_worst_case() -> None:
    run = build_run("/v1/completions")
    assert run.worst_case_usd('{"prompt":"a","max_tokens":50}', {}) == Decimal("0.5")
    assert run.worst_case_usd('{"prompt":"a"}', {}) == Decimal("0.16"), "what /completions writes unless told"
    assert build_run("/v1/chat/completions").worst_case_usd('{"messages":[]}', {}) is None
    assert run.worst_case_usd("is not read", {"max_tokens": 50}) == Decimal("0.5"), "found when the line was inserted"
    assert run.worst_case_usd("is not read", {"max_tokens": None}) is None


def test_a_tuned_model_keeps_its_contract() -> None:
    run = build_run("/v1/completions", TemplateContract(" ->", " END"))
    assert run.build_body('{"prompt":"唐"}') == {"prompt": "唐 ->", "stop": [" END", "END"]}


def test_what_an_output_line_needs_is_kept() -> None:
    run = build_run("/v1/completions")
    answer = LlmAnswer("t", "stop", 1, 2, "m", "req_1", {}, {"logprobs": {}}, 1)
    assert run.keep(answer, None) == {"request_id": "req_1", "beside": {"logprobs": {}}, "cached_tokens": 1}
    kept = run.keep(None, LlmError(FailureClass.INVALID_REQUEST, "no", param="max_tokens")) or {}
    assert (kept["error"]["status"], kept["error"]["param"]) == (400, "max_tokens")


def test_a_refused_request_is_no_recipes() -> None:
    trust = RunTrust(is_proven=False, rows_are_alike=False)
    refusal = LlmError(FailureClass.INVALID_REQUEST, "no")
    assert [trust.take_failure(refusal) for _ in range(20)] == [None] * 20
    assert not trust.recipe_is_refused
