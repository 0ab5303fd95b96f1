"""Claim a batch of rows: lock, render, reserve the money, write the attempts; after the commit the calls may leave."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.generation.run import Run
from services.workers.generation.story_call import StoryCall
from shared import ids
from shared.db.repositories.attempts import Caller, NewAttempt, add_attempts
from shared.db.repositories.generation_progress import ZERO_USD, Funds, admit_claim, lock_funds
from shared.db.repositories.story_claims import QueuedStory, TakenStory, lock_queued_stories, take_stories
from shared.db.repositories.story_results import fail_unsent_stories
from shared.db.session import Database
from shared.llm.failures import FailureClass
from shared.recipes.errors import TemplateError


class Emptiness(Enum):
    """Why a claim brought nothing."""

    NO_ROW_DUE = auto()
    BUDGET_RESERVED = auto()
    """The money is bound in calls under way; some may come back."""
    BUDGET_SPENT = auto()
    COST_UNBOUNDED = auto()
    """There is a budget, but no upper bound of a call's cost."""
    RUN_NOT_ACTIVE = auto()


@dataclass(slots=True)
class Claim:
    """Calls that may leave, or why there are none."""

    calls: list[StoryCall] = field(default_factory=list)
    empty_because: Emptiness | None = None
    reserved_usd: Decimal = ZERO_USD
    unsendable: list[dict[str, str]] = field(default_factory=list)
    """Rows whose prompt cannot be rendered: failed without a call."""


class ClaimRefusedError(Exception):
    """The run was paused or ended, or its money taken, while the rows were being claimed."""


async def claim_batch(database: Database, run: Run, worker_id: str, row_limit: int, *, has_budget: bool) -> Claim:
    """Claim up to `row_limit` rows. Afterwards each returned call has an attempt row that is committed as `sent`."""
    try:
        async with database.transaction() as session:
            funds = await lock_funds(session, run.order.id) if has_budget else None
            stories = await lock_queued_stories(session, run.order.id, row_limit)
            claim = plan_claim(run, stories, funds)
            if claim.calls or claim.unsendable:
                await _write_claim(session, run, worker_id, claim)
    except ClaimRefusedError:
        return Claim(empty_because=Emptiness.RUN_NOT_ACTIVE)
    return claim


def plan_claim(run: Run, stories: Sequence[QueuedStory], funds: Funds | None) -> Claim:
    """Render the prompts and choose, in order, the calls that the money allows."""
    claim = Claim(empty_because=None if stories else Emptiness.NO_ROW_DUE)
    for story in stories:
        try:
            prompt = run.template.render(story.attributes)
        except TemplateError as error:
            claim.unsendable.append(_describe_unsendable(story, error))
            continue
        worst = run.worst_case_usd(prompt)
        if funds is not None:
            claim.empty_because = _find_shortage(worst, funds, claim.reserved_usd)
            if claim.empty_because is not None:
                break
        claim.reserved_usd += worst or ZERO_USD
        claim.calls.append(StoryCall(story.id, story.attempt + 1, ids.new_id(ids.ATTEMPT), prompt, worst))
    if claim.calls or claim.unsendable:
        claim.empty_because = None
    return claim


def _find_shortage(worst_usd: Decimal | None, funds: Funds, planned_usd: Decimal) -> Emptiness | None:
    if worst_usd is None:
        return Emptiness.COST_UNBOUNDED
    if planned_usd + worst_usd <= funds.left_usd:
        return None
    return Emptiness.BUDGET_RESERVED if funds.reserved_usd > 0 else Emptiness.BUDGET_SPENT


def _describe_unsendable(story: QueuedStory, error: TemplateError) -> dict[str, str]:
    return {"id": story.id, "failure_class": FailureClass.INVALID_REQUEST.value, "failure_message": error.message}


async def _write_claim(session: AsyncSession, run: Run, worker_id: str, claim: Claim) -> None:
    order, target = run.order, run.target
    caller = Caller(order.project_id, order.id, worker_id, target.provider.name, target.model)
    attempts = [NewAttempt(call.attempt_id, call.story_id, call.number, call.reserved_usd) for call in claim.calls]
    if claim.calls:
        await take_stories(session, worker_id, [TakenStory(call.story_id, call.number) for call in claim.calls])
        await add_attempts(session, caller, attempts)
    await fail_unsent_stories(session, claim.unsendable)
    admitted = await admit_claim(
        session, order.id, rows=len(claim.calls), reserved_usd=claim.reserved_usd, failed=len(claim.unsendable)
    )
    if not admitted:
        raise ClaimRefusedError
