"""Fixes are previewed, applied and undone; the source rows stay."""

from services.preparation.fixes.fix_plan import Fix, Plan, apply_plan
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore

ROWS = [("A ", "x\u200by"), ("B ", "same"), ("B ", "same"), ("C ", " end")]
DROP = Fix("exact_duplicate", "drop_rows", row_ids=(2,))
REPAIR = Fix("invisible_character", "repair_text", ("prompt", "completion"), "strip_invisible_characters", row_ids=(0,))
LOWER = Fix("upper_case_prompt", "lower_case", ("prompt",))
ENDING = Fix("add_ending", "append_text", ("completion",), " END")


def _store(limit: int = 10**6) -> RowStore:
    store = RowStore(limit)
    for i, (prompt, completion) in enumerate(ROWS):
        store.append(RowBatch([i], [i + 1], [prompt], [completion], [""], {"note": [str(i)]}))
    return store


def _pairs(store: RowStore, plan: Plan) -> list[tuple[str, str]]:
    return [pair for batch in apply_plan(store, plan) for pair in zip(batch.prompts, batch.completions, strict=True)]


def test_a_plan_changes_the_output_and_not_the_source() -> None:
    with _store() as store:
        plan = Plan((REPAIR, DROP, LOWER, ENDING, Fix("leading_space", "start_with_space", ("completion",))))
        assert _pairs(store, plan) == [("a ", " xy END"), ("b ", " same END"), ("c ", " end END")]
        assert _pairs(store, Plan()) == ROWS


def test_a_fix_in_the_middle_can_be_undone() -> None:
    with _store() as store:
        plan = Plan((REPAIR, DROP, ENDING)).without("exact_duplicate")
        assert _pairs(store, plan) == [("A ", "xy END"), ("B ", "same END"), ("B ", "same END"), ("C ", " end END")]


def test_a_store_that_spills_gives_the_same_rows() -> None:
    with _store(limit=3) as spilled, _store() as kept:
        assert spilled.is_spilled
        assert not kept.is_spilled
        assert list(spilled.batches()) == list(kept.batches())
        assert list(spilled.batches()) == list(kept.batches())  # and once more
        assert spilled.rows([1, 3, 99]) == {1: ROWS[1], 3: ROWS[3]}


def test_a_repair_reaches_the_texts_of_chat_lines_and_keeps_the_rest() -> None:
    line = (
        '{"messages":[{"role":"user","content":"<think>q</think>"},'
        '{"role":"assistant","content":[{"type":"text","text":"<think>a</think>b"}],"weight":1}],"tools":[]}'
    )
    fix = Fix("reasoning_left", "repair_text", ("completion",), "strip_reasoning", row_ids=(0,))
    with RowStore() as store:
        store.append(RowBatch([0], [1], ["<think>q</think>"], ["<think>a</think>b"], [line]))
        (batch,) = apply_plan(store, Plan((fix,)))
    assert batch.completions == ["b"]
    assert batch.records == [line.replace("<think>a</think>b", "b")]
