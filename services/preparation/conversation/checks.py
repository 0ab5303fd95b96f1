"""All checks in the public tool's order."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.preparation.conversation import row_checks
from services.preparation.conversation.column_checks import check_additional_columns, check_column
from services.preparation.conversation.column_profile import PairProfile, TaskType, profile_pairs
from services.preparation.conversation.marker_checks import (
    ENDINGS,
    PROMPT_MARKERS,
    check_completion_suffix,
    check_prompt_suffix,
)
from services.preparation.conversation.outcome import CheckOutcome
from services.preparation.fixes.fix_plan import Fix, Plan, apply_plan
from services.preparation.rows.row_store import RowStore


@dataclass(frozen=True, slots=True)
class Examination:
    """What the checks found: the outcomes in order, and the plan of necessary fixes that they already act on.

    The outcomes end with the first error; `profile` is None when it came before the rows were looked at.
    """

    outcomes: tuple[CheckOutcome, ...]
    necessary: Plan
    profile: PairProfile | None

    @property
    def error(self) -> CheckOutcome | None:
        """The outcome that forbids going on."""
        return self.outcomes[-1] if self.outcomes and self.outcomes[-1].error else None

    @property
    def recommended(self) -> Plan:
        """The necessary and all recommended fixes."""
        return self.necessary.adding(*(outcome.fix for outcome in self.outcomes if outcome.fix))

    @property
    def task_type(self) -> TaskType:
        """The task type of the rows after the necessary fixes."""
        return self.profile.task_type if self.profile else "conditional generation"


def examine_rows(store: RowStore, columns: list[str], seen: PairProfile | None = None) -> Examination:
    """Run every check over the rows. Nothing is printed, asked or changed. `seen` is the profile of these rows with all
    markers, where a walk over them made one: it serves unless rows without completion have to go first."""
    outcomes = [row_checks.check_count(store.row_count)]
    for name in ("prompt", "completion"):
        outcome, columns = check_column(columns, name)
        outcomes.append(outcome)
        if outcome.error:
            return Examination(tuple(outcomes), Plan(), None)
    outcomes.append(check_additional_columns(columns))
    empty = _empty_completions(store) if seen is None or "" in seen.first_characters else []
    outcomes.append(row_checks.check_empty_completions(empty))
    plan = Plan((Fix("empty_completion", "drop_rows", row_ids=tuple(empty)),)) if empty else Plan()
    profile = seen if seen and not empty else profile_pairs(apply_plan(store, plan), PROMPT_MARKERS, ENDINGS)
    for outcome in _profile_checks(profile, store, plan):
        outcomes.append(outcome)
        if outcome.error:
            break
    return Examination(tuple(outcomes), plan, profile)


def _empty_completions(store: RowStore) -> list[int]:
    return [
        row_id
        for batch in store.batches()
        if "" in batch.completions
        for row_id, completion in zip(batch.ids, batch.completions, strict=True)
        if not completion
    ]


def _profile_checks(profile: PairProfile, store: RowStore, plan: Plan) -> Iterator[CheckOutcome]:
    yield row_checks.check_task_type(profile)
    yield row_checks.check_duplicates(profile)
    yield row_checks.check_long_rows(profile)
    yield row_checks.check_case(profile, "prompt")
    yield row_checks.check_case(profile, "completion")
    yield check_prompt_suffix(profile, lambda: (batch.prompts for batch in apply_plan(store, plan)))
    yield row_checks.check_prompt_prefix(profile)
    yield row_checks.check_completion_prefix(profile)
    yield check_completion_suffix(profile, lambda: (batch.completions for batch in apply_plan(store, plan)))
    yield row_checks.check_leading_space(profile)
