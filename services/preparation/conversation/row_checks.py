"""Checks of single rows and of the start of texts, in the public tool's words."""

from services.preparation.conversation.column_profile import PairProfile
from services.preparation.conversation.marker_checks import GUIDE
from services.preparation.conversation.outcome import CheckOutcome
from services.preparation.fixes.fix_plan import Field, Fix

FEW_ROWS = 100
LONG_PROMPT_PREFIX_CHARACTERS = 12
LONG_COMPLETION_PREFIX_CHARACTERS = 5


def check_count(row_count: int) -> CheckOutcome:
    """Tell how many pairs there are."""
    advice = (
        ""
        if row_count >= FEW_ROWS
        else ". In general, we recommend having at least a few hundred examples. We've found that performance tends "
        "to linearly increase for every doubling of the number of examples"
    )
    return CheckOutcome("num_examples", f"\n- Your file contains {row_count} prompt-completion pairs{advice}")


def check_empty_completions(positions: list[int]) -> CheckOutcome:
    """Rows without a completion are dropped, unasked."""
    if not positions:
        return CheckOutcome("empty_completion")
    return CheckOutcome(
        "empty_completion",
        f"\n- `completion` column/key should not contain empty strings. These are rows: {positions}",
        necessary=f"Remove {len(positions)} rows with empty completions",
    )


def check_task_type(profile: PairProfile) -> CheckOutcome:
    """Say so when the rows look like a classification task."""
    if profile.task_type != "classification":
        return CheckOutcome("num_examples")
    return CheckOutcome(
        "num_examples",
        "\n- Based on your data it seems like you're trying to fine-tune a model for classification\n- For "
        "classification, we recommend you try one of the faster and cheaper models, such as `ada`\n- For "
        "classification, you can estimate the expected model performance by keeping a held out dataset, which is not "
        "used for training",
    )


def check_duplicates(profile: PairProfile) -> CheckOutcome:
    """Recommend dropping rows that equal an earlier one."""
    positions = profile.duplicate_positions()
    if not positions:
        return CheckOutcome("duplicated_rows")
    return CheckOutcome(
        "duplicated_rows",
        f"\n- There are {len(positions)} duplicated prompt-completion sets. These are rows: {positions}",
        recommended=f"Remove {len(positions)} duplicate rows",
        fix=Fix("exact_duplicate", "drop_rows", row_ids=tuple(profile.row_ids[positions].tolist())),
    )


def check_long_rows(profile: PairProfile) -> CheckOutcome:
    """Recommend dropping rows of more than 10,000 characters.

    The public tool confuses positions with labels once rows were removed, and then drops another row or stops
    with a KeyError. Here the long rows go.
    """
    positions = profile.long_positions
    if profile.task_type == "open-ended generation" or not positions:
        return CheckOutcome("long_examples")
    return CheckOutcome(
        "long_examples",
        f"\n- There are {len(positions)} examples that are very long. These are rows: {positions}\nFor conditional "
        "generation, and for classification the examples shouldn't be longer than 2048 tokens.",
        recommended=f"Remove {len(positions)} long examples",
        fix=Fix("long_row", "drop_rows", row_ids=tuple(profile.row_ids[positions].tolist())),
        on_apply=lambda applied: _moved_positions(profile, applied),
    )


def _moved_positions(profile: PairProfile, applied: tuple[str, ...]) -> str:
    duplicates = set(profile.duplicate_positions()) if "exact_duplicate" in applied else set()
    kept = [i for i in range(profile.row_count) if i not in duplicates] if duplicates else range(profile.row_count)
    is_long = set(profile.long_positions)
    moved = [new for new, old in enumerate(kept) if old in is_long]
    if moved == profile.long_positions:
        return ""
    return (
        "The indices of the long examples has changed as a result of a previously applied recommendation.\n"
        f"The {len(moved)} long examples to be dropped are now at the following indices: {moved}\n"
    )


def check_case(profile: PairProfile, name: Field) -> CheckOutcome:
    """Recommend lower case where more than a third of the letters are capitals."""
    column = profile.prompts if name == "prompt" else profile.completions
    if column.upper_count * 2 <= column.lower_count:
        return CheckOutcome("lower_case")
    return CheckOutcome(
        "lower_case",
        f"\n- More than a third of your `{name}` column/key is uppercase. Uppercase {name}s tends to perform worse "
        "than a mixture of case encountered in normal language. We recommend to lower case the data "
        "if that makes sense in "
        f"your domain. See {GUIDE} for more details",
        recommended=f"Lowercase all your data in column/key `{name}`",
        fix=Fix(f"upper_case_{name}", "lower_case", (name,)),
    )


def check_prompt_prefix(profile: PairProfile) -> CheckOutcome:
    """Recommend cutting a long beginning that all prompts share."""
    prefix = profile.prompts.common_prefix
    if not prefix or len(prefix) * profile.row_count == profile.prompts.characters:
        return CheckOutcome("common_prefix")
    message = f"\n- All prompts start with prefix `{prefix}`"
    if len(prefix) <= LONG_PROMPT_PREFIX_CHARACTERS:
        return CheckOutcome("common_prompt_prefix", message)
    return CheckOutcome(
        "common_prompt_prefix",
        message + ". Fine-tuning doesn't require the instruction specifying the task, or a few-shot example scenario. "
        "Most of the time you should only add the input data into the prompt, and the desired output into the "
        "completion",
        recommended=f"Remove prefix `{prefix}` from all prompts",
        fix=Fix("common_prompt_prefix", "cut_prefix", ("prompt",), length=len(prefix)),
    )


def check_completion_prefix(profile: PairProfile) -> CheckOutcome:
    """Recommend cutting a beginning of five characters or more that all completions share; a space stays."""
    prefix = profile.completions.common_prefix
    if len(prefix) < LONG_COMPLETION_PREFIX_CHARACTERS:
        return CheckOutcome("common_prefix")
    if len(prefix) * profile.row_count == profile.completions.characters:
        return CheckOutcome("common_prefix")
    kept = " " if prefix[0] == " " else ""
    return CheckOutcome(
        "common_completion_prefix",
        f"\n- All completions start with prefix `{prefix}`. Most of the time you should only add the output data into "
        "the completion, without any prefix",
        recommended=f"Remove prefix `{prefix}` from all completions",
        fix=Fix("common_completion_prefix", "cut_prefix", ("completion",), kept, len(prefix)),
    )


def check_leading_space(profile: PairProfile) -> CheckOutcome:
    """Recommend one space before every completion."""
    if len(profile.first_characters) == 1 and profile.starts_with_space:
        return CheckOutcome("completion_space_start")
    return CheckOutcome(
        "completion_space_start",
        "\n- The completion should start with a whitespace character (` `). This tends to produce better results due "
        f"to the tokenization we use. See {GUIDE} for more details",
        recommended="Add a whitespace character to the beginning of the completion",
        fix=Fix("leading_space", "start_with_space", ("completion",)),
    )
