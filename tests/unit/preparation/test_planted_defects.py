"""Each kind of defect, planted in clean data, is found in the planted rows; clean data gives no finding."""

import random
from collections.abc import Callable

import pytest

from services.preparation.findings.inspection import Inspection, inspect_rows
from services.preparation.rows.row_batches import RowBatch
from services.preparation.rows.row_store import RowStore
from tests.unit.preparation.clean_sets import Row, chinese_story, clean_sets, english_story

SETS = clean_sets()
MODEL = "gpt-3.5-turbo"
# Changes rows and says which positions it spoilt (none: the set as a whole).
Plant = Callable[[list[Row], random.Random], set[int]]


def inspect_pairs(rows: list[Row]) -> Inspection:
    with RowStore() as store:
        ids = list(range(len(rows)))
        prompts, completions = [p for p, _ in rows], [c for _, c in rows]
        store.append(RowBatch(ids, [i + 1 for i in ids], prompts, completions, [""] * len(ids)))
        return inspect_rows(store, MODEL)


@pytest.mark.parametrize("name", SETS)
def test_a_clean_set_has_no_findings(name: str) -> None:
    assert [(f.code, f.row_ids, f.examples) for f in inspect_pairs(SETS[name]).findings] == []


def completion(make: Callable[[str], str]) -> Plant:
    """Spoil the completion of one row."""

    def plant(rows: list[Row], chance: random.Random) -> set[int]:
        at = chance.randrange(2, len(rows))
        rows[at] = (rows[at][0], make(rows[at][1]))
        return {at}

    return plant


def prompt(make: Callable[[str], str]) -> Plant:
    """Spoil the prompt of one row."""

    def plant(rows: list[Row], chance: random.Random) -> set[int]:
        at = chance.randrange(2, len(rows))
        rows[at] = (make(rows[at][0]), rows[at][1])
        return {at}

    return plant


def insert(text: str) -> Plant:
    """Put a text into the middle of a completion."""
    return completion(lambda story: f"{story[:12]}{text}{story[12:]}")


def near_copy(rows: list[Row], chance: random.Random) -> set[int]:
    """One letter changed in a copy of another row's story."""
    story = rows[0][1]
    rows.append((f"{rows[0][0]}x", f"{story[:30]}~~{story[31:]}"))
    return {len(rows) - 1}


def copy(rows: list[Row], chance: random.Random) -> set[int]:
    rows.append(rows[3])
    return {len(rows) - 1}


def contradiction(rows: list[Row], chance: random.Random) -> set[int]:
    rows.append((rows[5][0], chinese_story(chance)))
    return {5, len(rows) - 1}


def few(rows: list[Row], chance: random.Random) -> set[int]:
    del rows[6:]
    return set()


def shared_full_stop(rows: list[Row], chance: random.Random) -> set[int]:
    rows[:] = [(p, c.rstrip("。！？") + "。") for p, c in rows]
    return set()


ON_CHINESE: dict[str, list[Plant]] = {
    "too_few_rows": [few],
    "empty_completion": [completion(lambda _: "")],
    "blank_completion": [completion(lambda _: " \n　")],
    "empty_prompt": [prompt(lambda _: "")],
    "exact_duplicate": [copy],
    "near_duplicate": [near_copy],
    "conflicting_completions": [contradiction],
    "too_long_for_model": [completion(lambda _: "".join(chinese_story(random.Random(i)) for i in range(400)))],
    "unusually_long": [completion(lambda _: "".join(chinese_story(random.Random(i)) for i in range(12)))],
    "unusually_short": [completion(lambda _: "完。")],
    "byte_order_mark": [completion(lambda c: f"\ufeff{c}"), prompt(lambda p: f"\ufeff{p}")],
    "control_character": [insert("\x00"), insert("\x1b"), insert("\x85")],
    "invisible_character": [insert("\u200b"), insert("\u00ad")],
    "replacement_character": [insert("\ufffd")],
    "mojibake": [
        completion(lambda c: c.encode().decode("latin-1")),
        insert("锟斤拷"),
        insert("FranÃ§ois said â€œnoâ€\x9d"),
        completion(lambda c: c.encode().decode("gb18030", "ignore")),
    ],
    "carriage_return": [insert("\r\n")],
    "not_composed": [insert("cafe\u0301")],
    "markup": [insert("<br/>"), insert("&nbsp;"), insert('<span class="x">')],
    "special_token": [insert("<|endoftext|>"), insert("[INST]")],
    "placeholder": [insert("{{ hero }}"), insert("{dynasty}"), insert("[INSERT NAME]")],
    "truncated": [completion(lambda c: f"{c[:40]}他")],
    "refusal": [
        completion(lambda _: "很抱歉，我无法完成这个请求，因为它涉及不当内容。"),
        completion(lambda _: "作为一个人工智能语言模型，我没有个人经历，不会写这样的故事。"),
        completion(lambda _: "I'm sorry, but I can't help with that."),
    ],
    "repeated_text": [completion(lambda _: "他击败了怪兽，守护了城市。" * 12)],
    "prompt_echo": [
        lambda rows, chance: (
            rows.__setitem__(4, ("请写一个关于长安的故事，越长越好", "请写一个关于长安的故事，越长越好" + rows[4][1])),
            {4},
        )[1]
    ],
    "language_differs": [completion(lambda _: english_story(random.Random(1)))],
    "ending_is_ordinary_text": [shared_full_stop],
    "personal_email": [insert("联系lee.ming@example.com吧")],
    "personal_phone": [insert("电话13812345678。"), insert(" +1 415-555-0132 ")],
    "personal_identity_number": [insert("11010519491231002X"), insert(" 078-05-1120 ")],
    "payment_card": [insert("4111 1111 1111 1111")],
    "secret_key": [insert("sk-abcdefghijklmnopqrstuvwx1234"), insert("AKIAIOSFODNN7EXAMPLE")],
}
ON_ENGLISH: dict[str, list[Plant]] = {
    "refusal": [
        completion(lambda _: "As an AI language model, I cannot write about that topic at all."),
        completion(lambda _: "Unfortunately, I am unable to continue this story for you."),
    ],
    "language_differs": [completion(lambda _: chinese_story(random.Random(1)))],
    "truncated": [completion(lambda c: c[:60] + " and")],
    "repeated_text": [completion(lambda _: "He walked on and on. " * 20)],
    "mojibake": [insert("caf\u00c3\u00a9")],
    "prompt_echo": [lambda rows, chance: (rows.__setitem__(4, (rows[4][0], rows[4][0] + ". " + rows[4][1])), {4})[1]],
    "near_duplicate": [near_copy],
}
ON_MARKED: dict[str, list[Plant]] = {
    "stop_inside_completion": [insert(" END")],
    "separator_inside_prompt": [prompt(lambda p: f"a -> {p}")],
    "missing_ending": [completion(lambda c: c.removesuffix(" END"))],
    "missing_separator": [prompt(lambda p: p.removesuffix(" ->"))],
}
ON_CLASSES: dict[str, list[Plant]] = {
    "rare_class": [completion(lambda _: "中性")],
    "class_variants": [completion(lambda label: f" {label}")],
    "unbalanced_classes": [
        lambda rows, chance: (
            rows.__setitem__(slice(None), [r for i, r in enumerate(rows) if r[1] == "正面" or i < 6]),
            set(),
        )[1]
    ],
    "conflicting_completions": [
        lambda rows, chance: (
            rows.append((rows[0][0], "正面" if rows[0][1] == "负面" else "负面")),
            {0, len(rows) - 1},
        )[1]
    ],
}
CASES = [
    pytest.param(name, code, plant, id=f"{name}-{code}-{number}")
    for name, kinds in (
        ("chinese_0", ON_CHINESE),
        ("english_1", ON_ENGLISH),
        ("english_with_markers", ON_MARKED),
        ("chinese_classes", ON_CLASSES),
    )
    for code, plants in kinds.items()
    for number, plant in enumerate(plants)
]


@pytest.mark.parametrize(("name", "code", "plant"), CASES)
def test_a_planted_defect_is_found_where_it_was_planted(name: str, code: str, plant: Plant) -> None:
    rows = list(SETS[name])
    spoilt = plant(rows, random.Random(11))
    found = inspect_pairs(rows).finding(code)
    assert found is not None
    assert set(found.row_ids) == spoilt


def test_thirty_kinds_of_defects_are_planted() -> None:
    assert len({case.values[1] for case in CASES}) >= 30
