"""Fixes that give every row the same beginning or ending are applied while writing: no copy of the texts is made."""

from dataclasses import replace

from services.preparation.conversation.column_profile import ColumnProfile, PairProfile
from services.preparation.conversation.common_affix import CommonSuffix
from services.preparation.fixes.fix_plan import Plan
from services.preparation.rows.training_lines import Affixes


def uniform_affixes(plan: Plan, profile: PairProfile) -> Affixes | None:
    """What the plan puts around every row alike; None if it does anything else."""
    prompt_end = completion_start = completion_end = ""
    for fix in plan.fixes:
        if fix.kind == "append_text" and fix.fields == ("prompt",):
            prompt_end += fix.text
        elif fix.kind == "append_text":
            completion_end += fix.text
        elif fix.kind == "start_with_space" and not profile.first_characters & {" ", ""}:
            completion_start = " "
        else:
            return None
    return Affixes(prompt_end, completion_start, completion_end)


def profile_with_affixes(profile: PairProfile, affixes: Affixes) -> PairProfile:
    """What a walk over the rows with affixes would find."""
    return replace(
        profile,
        prompts=_enclose(profile.prompts, "", affixes.prompt_end, profile.row_count),
        completions=_enclose(profile.completions, affixes.completion_start, affixes.completion_end, profile.row_count),
        first_characters={" "} if affixes.completion_start else profile.first_characters,
        starts_with_space=bool(affixes.completion_start) or profile.starts_with_space,
    )


def _enclose(column: ColumnProfile, start: str, end: str, row_count: int) -> ColumnProfile:
    shared = column.common_suffix
    if len(shared) * row_count == column.characters:  # all rows are equal: what goes before them is shared too
        shared = start + shared
    return replace(column, suffix=CommonSuffix(shared + end))
