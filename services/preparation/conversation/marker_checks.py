"""Checks that choose or find the separator after prompts and the ending of completions."""

from collections.abc import Callable, Iterable, Sequence

from services.preparation.conversation.column_profile import PairProfile
from services.preparation.conversation.outcome import CheckOutcome
from services.preparation.fixes.fix_plan import Fix

SEPARATORS = (" ->", "\n\n###\n\n", "\n\n===\n\n", "\n\n---\n\n", "\n\n===>\n\n", "\n\n--->\n\n")
FALLBACK_SEPARATOR = "\n\n### =>\n\n"
ENDINGS = ("\n", ".", " END", "***", "+++", "&&&", "$$$", "@@@", "%%%")
FALLBACK_ENDING = " [END]"
# The arrow is not chosen when prompts have several lines, so a line feed is looked for as well.
PROMPT_MARKERS = ("\n", *SEPARATORS)
LONG_SUFFIX_CHARACTERS = 10
GUIDE = "https://platform.openai.com/docs/guides/fine-tuning/preparing-your-dataset"
# Gives a column's values again, for the one question that needs a second walk.
Column = Callable[[], Iterable[list[str]]]


def choose_separator(profile: PairProfile, prompts: Column) -> str:
    """The first separator that occurs in no prompt; the arrow only where prompts have one line."""
    options = SEPARATORS[1:] if "\n" in profile.prompts.found else SEPARATORS
    return profile.prompts.first_absent(options, FALLBACK_SEPARATOR, prompts)


def choose_ending(profile: PairProfile, completions: Column) -> str:
    """The first ending that occurs in no completion."""
    return profile.completions.first_absent(ENDINGS, FALLBACK_ENDING, completions)


def check_prompt_suffix(profile: PairProfile, prompts: Column) -> CheckOutcome:
    """Find the common separator, or recommend one. All prompts identical is an error."""
    if profile.task_type == "open-ended generation":
        return CheckOutcome("common_suffix")
    column, suffix = profile.prompts, profile.prompts.common_suffix
    suggested = choose_separator(profile, prompts)
    if _is_everything(suffix, column.characters, profile.row_count):
        return CheckOutcome(
            "common_suffix",
            error=f"All prompts are identical: `{suffix}`\nConsider leaving the prompts blank if you want to do "
            "open-ended generation, otherwise ensure prompts are different",
        )
    if suffix:
        repeated = (
            "\n  WARNING: Some of your prompts contain the suffix `{0}` more than once. We strongly suggest that you "
            "review your prompts and add a unique suffix"
        )
        return CheckOutcome(
            "common_completion_suffix", _shared_suffix_message("prompts", suffix, suggested, prompts, repeated)
        )
    return CheckOutcome(
        "common_completion_suffix",
        "\n- Your data does not contain a common separator at the end of your prompts. Having a separator string "
        "appended to the end of the prompt makes it clearer to the fine-tuned model where the completion should "
        f"begin. See {GUIDE} for more detail and examples. If you intend to do open-ended generation, then you "
        "should leave the prompts empty",
        recommended=f"Add a suffix separator `{show(suggested)}` to all prompts",
        fix=Fix("add_separator", "append_text", ("prompt",), suggested),
    )


def check_completion_suffix(profile: PairProfile, completions: Column) -> CheckOutcome:
    """Find the common ending, or recommend one. All completions identical is an error."""
    if profile.task_type != "conditional generation":
        return CheckOutcome("common_suffix")
    column, suffix = profile.completions, profile.completions.common_suffix
    suggested = choose_ending(profile, completions)
    if _is_everything(suffix, column.characters, profile.row_count):
        return CheckOutcome(
            "common_suffix",
            error=f"All completions are identical: `{suffix}`\nEnsure completions are different, otherwise the model "
            f"will just repeat `{suffix}`",
        )
    if suffix:
        repeated = (
            "\n  WARNING: Some of your completions contain the suffix `{0}` more than once. We suggest that you "
            "review your completions and add a unique ending"
        )
        return CheckOutcome(
            "common_completion_suffix",
            _shared_suffix_message("completions", suffix, suggested, completions, repeated),
        )
    return CheckOutcome(
        "common_completion_suffix",
        "\n- Your data does not contain a common ending at the end of your completions. Having a common ending string "
        "appended to the end of the completion makes it clearer to the fine-tuned model where the completion should "
        f"end. See {GUIDE} for more detail and examples.",
        recommended=f"Add a suffix ending `{show(suggested)}` to all completions",
        fix=Fix("add_ending", "append_text", ("completion",), suggested),
    )


def show(text: str) -> str:
    """A marker as the public tool prints it."""
    return text.replace("\n", "\\n")


def _is_everything(affix: str, characters: int, row_count: int) -> bool:
    """Whether every row equals its common affix: then all characters are accounted for."""
    return len(affix) * row_count == characters


def _shared_suffix_message(noun: str, suffix: str, suggested: str, column: Column, repeated: str) -> str:
    message = f"\n- All {noun} end with suffix `{show(suffix)}`"
    if len(suffix) > LONG_SUFFIX_CHARACTERS:
        message += (
            f". This suffix seems very long. Consider replacing with a shorter suffix, such as `{show(suggested)}`"
        )
    if _occurs_before_the_end(column(), suffix):
        message += repeated.format(suffix)
    return message


def _occurs_before_the_end(column: Iterable[Sequence[str]], suffix: str) -> bool:
    cut = len(suffix)
    return any(value.find(suffix, 0, len(value) - cut) >= 0 for values in column for value in values)
