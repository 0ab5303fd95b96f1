"""The last part of the conversation: the split, the file, the command to use it with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from services.preparation.conversation.column_profile import PairProfile
from services.preparation.conversation.marker_checks import show
from services.preparation.conversation.output_files import (
    count_classes,
    write_prepared,
    write_train_and_validation,
)
from services.preparation.conversation.time_estimate import describe_training_time
from services.preparation.rows.row_store import RowStore
from services.preparation.rows.training_lines import NO_AFFIXES, Affixes


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """The rows after all fixes but the affixes; the profile is that of the rows with them."""

    store: RowStore
    profile: PairProfile
    any_applied: bool
    affixes: Affixes = NO_AFFIXES


def write_out(
    path: str,
    rows: PreparedRows,
    output: TextIO,
    ask: Callable[[str], bool],
    name_files: Callable[[str, tuple[str, ...]], list[str]],
    *,
    is_parity: bool = False,
) -> list[str]:
    """Ask, write, and tell how to go on: by this mill's command, or as the public tool did (`is_parity`). Returns the
    names of the written files."""
    is_split = rows.profile.task_type == "classification" and ask(
        "- [Recommended] Would you like to split into training and validation set? [Y/n]: "
    )
    if not rows.any_applied and not is_split:
        output.write(f"\nYou can use your file for fine-tuning:\n> {_next_step(path, '', rows, is_parity=is_parity)}")
        return []
    if not ask("\n\nYour data will be written to a new JSONL file. Proceed [Y/n]: "):
        output.write("Aborting... did not write the file\n")
        return []
    names, flags = _write_files(path, rows, is_split, name_files)
    plural = "s" if is_split else ""
    if not is_parity:
        flags = f' --validation "{names[1]}"' if is_split else ""
    output.write(
        f"\nWrote modified file{plural} to `{'` and `'.join(names)}`\nFeel free to take a look!\n\nNow use that file "
        f"when fine-tuning:\n> {_next_step(names[0], flags, rows, is_parity=is_parity, is_written=True)}"
    )
    return names


def _next_step(path: str, flags: str, rows: PreparedRows, *, is_parity: bool, is_written: bool = False) -> str:
    reminder, ending = _reminders(rows.profile)
    if is_parity:
        estimate = describe_training_time(rows.profile.task_type, rows.profile.row_ids)
        told = reminder if is_written else reminder or _separator_reminder("")
        return f'openai api fine_tunes.create -t "{path}"{flags}\n\n{told}{ending}\n{estimate}'
    told = f"\n\n{reminder}{ending}" if reminder or ending else ""
    return f'storymill fine-tune "{path}"{flags} --model text-davinci-003{told}\n'


def _reminders(profile: PairProfile) -> tuple[str, str]:
    separator, ending = show(profile.prompts.common_suffix), show(profile.completions.common_suffix)
    stop = (
        f' Make sure to include `stop=["{ending}"]` so that the generated texts ends at the expected place.'
        if ending
        else ""
    )
    return (_separator_reminder(separator) if separator else ""), stop


def _separator_reminder(separator: str) -> str:
    return (
        f"After you’ve fine-tuned a model, remember that your prompt has to end with the indicator string "
        f"`{separator}` for the model to start generating completions, rather than continuing with the prompt."
    )


def _write_files(
    path: str, rows: PreparedRows, is_split: bool, name_files: Callable[[str, tuple[str, ...]], list[str]]
) -> tuple[list[str], str]:
    if not is_split:
        names = name_files(path, ("",))
        write_prepared(rows.store, names[0], rows.affixes)
        return names, ""
    names = name_files(path, ("_train", "_valid"))
    write_train_and_validation(rows.store, names[0], names[1], rows.affixes)
    classes, positive = count_classes(rows.store, rows.affixes)
    flags = f' -v "{names[1]}" --compute_classification_metrics'
    if classes == 2:
        return names, f'{flags} --classification_positive_class "{positive}"'
    return names, f"{flags} --classification_n_classes {classes}"
