"""The public tool as a conversation: prints what it printed, asks what it asked, writes what it wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from services.preparation.conversation.affixes import profile_with_affixes, uniform_affixes
from services.preparation.conversation.checks import Examination, examine_rows
from services.preparation.conversation.column_profile import profile_pairs
from services.preparation.conversation.outcome import CheckOutcome
from services.preparation.conversation.output_files import free_names
from services.preparation.conversation.reading import ParityInput, read_like_the_public_tool
from services.preparation.conversation.write_out import PreparedRows, write_out
from services.preparation.fixes.fix_plan import Plan, apply_plan
from services.preparation.rows.row_store import RowStore

# Answers a question: True for yes.
Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Streams:
    """Where the conversation happens."""

    output: TextIO
    errors: TextIO
    ask: Ask


def prepare_like_the_public_tool(path: str, streams: Streams) -> int:
    """Run the whole tool on a file; returns the exit status."""
    streams.output.write("Analyzing...\n")
    source = read_like_the_public_tool(path)
    if source.store is None:
        return _abort(source.outcome, streams)
    with source.store as store:
        return converse(path, source, examine_rows(store, source.columns), store, streams)


def converse(path: str, source: ParityInput, examination: Examination, store: RowStore, streams: Streams) -> int:
    """Print the outcomes, ask about the recommended fixes and write the file; returns the exit status."""
    outcomes = (source.outcome, *examination.outcomes)
    for outcome in outcomes:
        if outcome.error:
            return _abort(outcome, streams)
        streams.output.write(outcome.message or "")
    plan, any_applied = ask_for_fixes(outcomes, examination.necessary, streams)
    affixes = uniform_affixes(plan, examination.profile) if examination.profile else None
    if affixes and examination.profile:
        profile = profile_with_affixes(examination.profile, affixes)
        rows = PreparedRows(store, profile, any_applied, affixes)
        write_out(path, rows, streams.output, streams.ask, free_names, is_parity=True)
        return 0
    with apply_to_new_store(store, plan) as final:
        profile = profile_pairs(final.batches())
        write_out(
            path, PreparedRows(final, profile, any_applied), streams.output, streams.ask, free_names, is_parity=True
        )
    return 0


def ask_for_fixes(outcomes: tuple[CheckOutcome, ...], necessary: Plan, streams: Streams) -> tuple[Plan, bool]:
    """Ask about every recommended fix in order; returns the plan and whether anything at all is done."""
    if not any(outcome.recommended or outcome.necessary for outcome in outcomes):
        streams.output.write("\n\nNo remediations found.\n")
        return necessary, False
    streams.output.write("\n\nBased on the analysis we will perform the following actions:\n")
    applied: list[str] = []
    plan = necessary
    for outcome in outcomes:
        question = f"- [Recommended] {outcome.recommended} [Y/n]: "
        if outcome.recommended and outcome.fix and streams.ask(question):
            plan = plan.adding(outcome.fix)
            streams.output.write(outcome.on_apply(tuple(applied)) if outcome.on_apply else "")
            applied.append(outcome.fix.code)
        if outcome.necessary:
            streams.output.write(f"- [Necessary] {outcome.necessary}\n")
    return plan, bool(applied) or any(outcome.necessary for outcome in outcomes)


def apply_to_new_store(store: RowStore, plan: Plan) -> RowStore:
    """The rows as the plan leaves them, in a store of their own."""
    final = RowStore()
    for batch in apply_plan(store, plan):
        final.append(batch)
    return final


def _abort(outcome: CheckOutcome, streams: Streams) -> int:
    streams.errors.write(f"\n\nERROR in {outcome.name} validator: {outcome.error}\n\nAborting...")
    return 1
