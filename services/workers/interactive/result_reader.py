"""Calls that bring an object and no text: embeddings and moderations. Their streams hold nothing and end as all do."""

import asyncio
from typing import Final, cast

from services.workers.interactive.call import count_prompt_bytes
from services.workers.interactive.running import RunningCompletion
from services.workers.process.context import WorkerContext
from services.workers.providers.model_health import ModelHealth
from shared.contracts.result_requests import EMBEDDING, count_results
from shared.contracts.text_orders import strip_orders
from shared.outside.providers.border.answers import ResultKind
from shared.outside.providers.border.results import LlmResult, read_result
from shared.outside.providers.failures import FailureClass, LlmError

NO_SUCH_ROUTE: Final = frozenset({404, 405, 501})
MODEL_UNKNOWN: Final = "model_not_found"
WHOLE: Final = "stop"
"""The finish reason of an answer that is there: for the books it is one as any."""
INSTEAD: Final = {
    EMBEDDING: "embeds no texts: name a model that does, the built-in engine's or another provider's (providers.toml).",
    "moderation": "judges no texts: name a model of a provider that does (OPENAI_API_KEY, or providers.toml).",
}


async def read_whole_result(
    context: WorkerContext, running: RunningCompletion, health: ModelHealth, begun_at: float
) -> None:
    """Make the call and keep what it brings with it. Raises: LlmError when it fails."""
    call, way = running.call, describe_size(running)
    async with health.follow(way, context.worker_settings.down_grace_seconds) as under_way:
        answer = await ask(context, running)
        under_way.note_answer()
    health.hear(None, running.id, begun_at)
    call.result, call.usage, call.model = answer.result, answer.usage, answer.model
    call.request_id, call.finish_reason = answer.request_id, WHOLE


def describe_size(running: RunningCompletion) -> str:
    """Return which calls take about as long as this one: those of its kind of up to twice the bytes. Thousands of
    texts take a thousand times as long as one, and none of that time is silence."""
    return f"{running.claimed.kind} {count_prompt_bytes(running.claimed.request).bit_length()}"


async def ask(context: WorkerContext, running: RunningCompletion) -> LlmResult:
    """Return the provider's answer, read beside the loop: it may be long. Raises: LlmError, in our words where the
    provider has no such route."""
    call, kind = running.call, cast(ResultKind, running.claimed.kind)
    body = strip_orders(running.claimed.request, must_stream=True)
    if kind == EMBEDDING and call.target.provider.is_neighbour:
        body = {**body, "encoding_format": "base64"}  # numbers spelled out are four times as long, and the loop waits
    try:
        raw, headers = await context.llm.ask_result(call.target, kind, body)
    except LlmError as error:
        if error.upstream_status in NO_SUCH_ROUTE and error.code != MODEL_UNKNOWN:
            message = f"The provider '{call.target.provider.name}' {INSTEAD[kind]}"
            raise LlmError(FailureClass.NOT_FOUND, message, param="model", code="not_served") from error
        raise
    return await asyncio.to_thread(read_result, kind, raw, headers, count_results(body.get("input")))
