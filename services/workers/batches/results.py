"""The second half of a batch: what its run has answered becomes files, line by line, in the order of the requests."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.workers.batches.endings import ERROR, OUTPUT, record_end
from services.workers.batches.output_lines import SUCCEEDED, encode_line
from services.workers.process.context import WorkerContext
from services.workers.process.store_patience import write_patiently
from shared.stores.db.repositories.batch_claims import BatchClaim, is_run_over
from shared.stores.db.repositories.batch_lines import BatchLine, close_unasked_lines, iterate_lines


@dataclass(slots=True)
class TokenSum:
    """OpenAI's `usage` of a batch: the tokens of the answers that were counted."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    lines: int = 0

    def add(self, line: BatchLine) -> None:
        """Count one answer."""
        if line.prompt_tokens is not None and line.completion_tokens is not None:
            self.lines += 1
            self.prompt += line.prompt_tokens
            self.completion += line.completion_tokens
            self.cached += (line.answer or {}).get("cached_tokens") or 0

    def shape(self) -> dict[str, Any] | None:
        """Return the object; None where nothing was counted. Reasoning tokens are a part of the answers' that
        providers seldom tell and runs do not keep."""
        if not self.lines:
            return None
        return {
            "input_tokens": self.prompt,
            "input_tokens_details": {"cached_tokens": self.cached},
            "output_tokens": self.completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.prompt + self.completion,
        }


async def write_results(context: WorkerContext, claim: BatchClaim) -> None:
    """Bring a batch whose run makes no more calls to its end. Raises: LostRowError when it is not ours any more."""
    if claim.generation_id is None or not claim.began:
        await record_end(context, claim, "cancelled")
        return
    run_id = claim.generation_id
    await close_lines(context, run_id)
    is_over = await write_patiently(
        context.database, lambda session: is_run_over(session, run_id), what="look at the run of a batch"
    )
    status = "cancelled" if claim.status == "cancelling" else "completed" if is_over else "expired"
    usage = TokenSum()
    with ExitStack() as stack:
        # Without a name: what a worker that is killed leaves behind is gone with it.
        spools = {name: stack.enter_context(tempfile.TemporaryFile()) for name in (OUTPUT, ERROR)}
        async for lines in iterate_lines(context.database.transaction, run_id):
            await asyncio.to_thread(write_lines, spools, claim, lines, status)
            for line in lines:
                usage.add(line)
        contents = {name: spool for name, spool in spools.items() if spool.tell()}
        await record_end(context, claim, status, usage.shape(), contents)


async def close_lines(context: WorkerContext, run_id: str) -> None:
    """Take no answer more before the lines are read: one that came later would be counted, and be in no file."""

    async def write(session: AsyncSession) -> bool:
        return await close_unasked_lines(session, run_id)

    while await write_patiently(context.database, write, what="close the lines of a batch"):
        pass


def write_lines(spools: Mapping[str, IO[bytes]], claim: BatchClaim, lines: Sequence[BatchLine], ending: str) -> None:
    """Write each line to its file."""
    for line in lines:
        spools[OUTPUT if line.status == SUCCEEDED else ERROR].write(encode_line(claim, line, ending))
