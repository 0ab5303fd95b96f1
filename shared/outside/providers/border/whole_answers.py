"""A whole answer, read from its body: one JSON object, or the events of a stream that nobody asked for."""

from collections.abc import Mapping

from shared.outside.providers.border.answers import Kind, LlmAnswer, request_id
from shared.outside.providers.border.deltas import DeltaReader
from shared.outside.providers.border.merging import merge_deltas
from shared.outside.providers.failures import FailureClass, LlmError


def parse_answer(kind: Kind, raw: bytes, headers: Mapping[str, str]) -> LlmAnswer:
    """Read a non-streamed answer, whatever it is. Raises: LlmError (malformed, cut_connection, or what its error object
    says)."""
    reader = DeltaReader(kind, headers)
    deltas = list(reader.read_whole(raw))
    text = "".join(delta.text for delta in deltas)
    fault = reader.find_fault()
    broken = fault if fault is not None and fault.failure_class is not FailureClass.EMPTY else None
    if broken is not None and not (text.strip() and reader.finish_reason):
        raise broken
    usage = reader.usage
    return LlmAnswer(
        text,
        reader.finish_reason,
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        reader.model or None,
        request_id(headers),
        headers,
        merge_deltas(delta.extra for delta in deltas if delta.extra) or None,
        usage.cached_tokens if usage else 0,
        broken,
    )


def find_whole_answer(kind: Kind, raw: bytes, headers: Mapping[str, str]) -> LlmAnswer | None:
    """Return the answer of a body whose connection broke, if nothing of it is missing."""
    try:
        return parse_answer(kind, raw, headers) if raw else None
    except LlmError:
        return None
