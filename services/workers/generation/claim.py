"""Claim a batch of rows: lock, render, reserve the money, write the attempts; after the commit the calls may leave."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, auto
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.run import Run
from services.workers.generation.story_call import StoryCall
from services.workers.leases.row_kind import Lease
from shared import ids
from shared.contracts.recipes.errors import TemplateError
from shared.observability.logs import get_logger
from shared.outside.providers.failures import FailureClass, LlmError
from shared.stores.db.repositories.attempts import Caller, find_cut
from shared.stores.db.repositories.generation_progress import ZERO_USD, Funds, RunState, lock_funds
from shared.stores.db.repositories.story_claims import QueuedStory, StoryCallRow, claim_stories, lock_queued_stories
from shared.stores.db.repositories.story_results import UnsendableStory, fail_unsent_stories
from shared.stores.db.session import Database

log = get_logger(__name__)


class Emptiness(Enum):
    """Why a claim brought nothing."""

    NO_ROW_DUE = auto()
    BUDGET_RESERVED = auto()
    """The money is bound in calls under way; some may come back."""
    BUDGET_SPENT = auto()
    COST_UNBOUNDED = auto()
    """There is a budget, but no upper bound of a call's cost."""
    RUN_NOT_ACTIVE = auto()


PAUSE_REASONS: Final = {
    Emptiness.BUDGET_SPENT: "budget",
    Emptiness.COST_UNBOUNDED: "budget: a call's cost has no upper bound; set max_tokens, and a price for the model",
}


@dataclass(slots=True)
class ClaimedBatch:
    """Calls that may leave, or why there are none."""

    calls: list[StoryCall] = field(default_factory=list)
    empty_because: Emptiness | None = None
    reserved_usd: Decimal = ZERO_USD
    unsendable: list[UnsendableStory] = field(default_factory=list)
    """Rows whose prompt cannot be rendered: failed without a call."""


PlanBatch = Callable[[Run, Sequence[QueuedStory], Funds | None], Awaitable[ClaimedBatch]]
"""`plan_claim`, with whatever care."""


async def claim_batch(
    database: Database, run: Run, lease: Lease, row_limit: int, plan: PlanBatch, state: RunState
) -> ClaimedBatch:
    """Claim up to `row_limit` rows. Afterwards each returned call has an attempt row that is committed as `sent`."""
    async with database.transaction() as session:
        funds = await lock_funds(session, run.order.id) if state.budget_usd is not None else None
        stories = await lock_queued_stories(session, run.order.id, row_limit, of_pilot=state.is_pilot)
        if run.raised_max_tokens is not None:
            cut = await find_cut(session, [story.id for story in stories])
            stories = [replace(story, was_cut=story.id in cut) for story in stories]
        claim = await plan(run, stories, funds)
        is_admitted = await fail_unsent_stories(session, run.order.id, claim.unsendable)
        if not is_admitted or (claim.calls and not await _take(session, run, lease, claim)):
            # The run was paused or ended, or its money taken, while the rows were being claimed.
            return ClaimedBatch(empty_because=Emptiness.RUN_NOT_ACTIVE)
    return claim


def plan_claim(run: Run, stories: Sequence[QueuedStory], funds: Funds | None) -> ClaimedBatch:
    """Render the prompts and choose, in order, the calls that the money allows."""
    claim = ClaimedBatch(empty_because=None if stories else Emptiness.NO_ROW_DUE)
    for story in stories:
        prompt = _render(run, story)
        if isinstance(prompt, UnsendableStory):
            claim.unsendable.append(prompt)
            continue
        worst = run.worst_case_usd(prompt, story.attributes, was_cut=story.was_cut)
        if funds is not None:
            claim.empty_because = _find_shortage(worst, funds, claim.reserved_usd)
            if claim.empty_because is not None:
                break
        claim.reserved_usd += worst or ZERO_USD
        draw = run.count_draw(story.repeat, story.attempt)
        attempt_id = ids.new_id(ids.ATTEMPT)
        claim.calls.append(StoryCall(story.id, story.attempt + 1, attempt_id, prompt, worst, draw, story.was_cut))
    if claim.calls or claim.unsendable:
        claim.empty_because = None
    return claim


def _find_shortage(worst_usd: Decimal | None, funds: Funds, planned_usd: Decimal) -> Emptiness | None:
    if worst_usd is None:
        return Emptiness.COST_UNBOUNDED
    if planned_usd + worst_usd <= funds.left_usd:
        return None
    return Emptiness.BUDGET_RESERVED if funds.reserved_usd > 0 else Emptiness.BUDGET_SPENT


def _render(run: Run, story: QueuedStory) -> str | UnsendableStory:
    """Return a row's prompt, or why it has none: the recipe's fault, or a defect of ours, which is this row's alone."""
    try:
        return run.render_prompt(story.attributes, story.repeat)
    except TemplateError as error:
        return UnsendableStory(story.id, FailureClass.INVALID_REQUEST.value, error.message)
    except Exception as defect:
        log.exception("prompt_not_made", story=story.id)
        ours = LlmError.of_defect(defect)
        return UnsendableStory(story.id, ours.failure_class.value, ours.message)


async def _take(session: AsyncSession, run: Run, lease: Lease, claim: ClaimedBatch) -> bool:
    order, target = run.order, run.target
    caller = Caller(order.project_id, order.id, lease.worker_id, target.provider.name, target.model)
    rows = [StoryCallRow(call.story_id, call.number, call.attempt_id, call.reserved_usd) for call in claim.calls]
    return await claim_stories(session, caller, rows, reserved_usd=claim.reserved_usd, lease_seconds=lease.seconds)
