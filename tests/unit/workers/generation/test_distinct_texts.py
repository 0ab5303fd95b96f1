"""Whose texts are taken, where a recipe takes none twice."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation import settlement
from services.workers.generation.run import Run, prepare_run
from services.workers.generation.story_call import CallResult, StoryCall
from shared.outside.providers.border.answers import LlmAnswer
from shared.outside.providers.configuration import Provider, Target
from shared.stores.db.repositories.generation_progress import WorkOrder
from shared.stores.db.repositories.story_results import LockedAttempt


def build_run() -> Run:
    """Return a run that asks for something."""
    order = WorkOrder("gen_1", "p", "k", "m", {}, 1, 5, "completion", "写", {}, [], "hash")
    return prepare_run(order, Target(Provider("upstream", "http://x/v1"), "m"))


def answer(number: int, text: str) -> CallResult:
    """Return the answer of a story's call."""
    call = StoryCall(f"story_{number}", 1, f"att_{number}", "写", None)
    return CallResult(call, LlmAnswer(text, "stop", 1, 2, "m", f"req_{number}", {}), None)


def lock(number: int, outcome: str, status: str) -> LockedAttempt:
    """Return how a call and its story stand."""
    return LockedAttempt(f"att_{number}", outcome, None, None, f"story_{number}", status, 1)


@pytest.mark.asyncio
async def test_a_text_that_its_row_does_not_take_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, str] = {}

    async def take(_session: AsyncSession, _run_id: str, story_of: Mapping[str, str]) -> dict[str, str]:
        taken.update(story_of)
        return dict(story_of)

    monkeypatch.setattr(settlement, "take_texts", take)
    states = [
        lock(0, "sent", "succeeded"),
        lock(1, "succeeded", "succeeded"),
        lock(2, "sent", "cancelled"),
        lock(3, "unknown", "queued"),
        lock(4, "sent", "running"),
    ]
    results = [answer(number, text) for number, text in enumerate(["甲", "乙", "丙", "甲", "甲", "丁"])]
    locked = {state.id: state for state in states}
    kept = await settlement.refuse_doubles(cast("Any", None), build_run(), results, locked)
    assert taken == {settlement.hash_text("甲"): "story_3"}
    assert [result.error is not None for result in kept] == [False, False, False, False, True, False]
