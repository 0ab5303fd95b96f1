"""Shapes what a chat's sequences write into OpenAI's answers: texts, calls and their chunks."""

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from services.engine.batching.requests import Delta, TokenLogprob
from services.engine.routes.answers import Choice, Chunk, count_usage
from services.engine.routes.bodies import ChatBody
from services.engine.routes.requests import Target
from services.engine.tools.call_reader import CallReader, Piece


class ChatAnswer:
    """Shapes the answer to one request, streamed or whole."""

    def __init__(self, body: ChatBody, target: Target, prompt_tokens: int, *, may_call: bool) -> None:
        self.include_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._prompt_tokens = prompt_tokens
        self._tokenizer = target.loaded.tokenizer
        self._with_logprobs = bool(body.logprobs)
        self._may_call = may_call
        self._readers = defaultdict[int, CallReader](CallReader)
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": target.name}

    def whole(self, texts: list[Choice]) -> dict[str, Any]:
        """The answer in one piece."""
        choices = [
            {
                "index": index,
                "message": self._message(index, choice.text),
                "logprobs": self._logprobs(choice.logprobs),
                "finish_reason": self._reason(index, choice.finish_reason),
            }
            for index, choice in enumerate(texts)
        ]
        usage = count_usage(self._prompt_tokens, sum(choice.tokens for choice in texts))
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def role_chunks(self, choices: int) -> list[Chunk]:
        """Who speaks, once per choice."""
        return [self._chunk(index, {"role": "assistant", "content": ""}, None, None) for index in range(choices)]

    def shape(self, delta: Delta) -> list[Chunk]:
        """The chunks of a delta; the end comes in one of its own, as OpenAI sends it."""
        chunks = []
        said = [name_piece(piece) for piece in self._part(delta.index, delta.text, delta.finish_reason is not None)]
        if said or delta.logprobs:
            first, *others = said or [{"content": ""}]
            chunks.append(self._chunk(delta.index, first, self._logprobs(delta.logprobs), None))
            chunks += [self._chunk(delta.index, other, None, None) for other in others]
        if delta.finish_reason is not None:
            chunks.append(self._chunk(delta.index, {}, None, self._reason(delta.index, delta.finish_reason)))
        return chunks

    def usage_chunk(self, completion_tokens: int) -> Chunk:
        """The last chunk when usage was asked for."""
        usage = count_usage(self._prompt_tokens, completion_tokens)
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _message(self, index: int, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self._may_call:
            pieces = list(self._part(index, text, is_last=True))
            said = "".join(piece.text for piece in pieces if piece.call is None)
            calls = [gather_call(pieces, call) for call in range(self._readers[index].calls)]
            message |= {"content": said, "tool_calls": calls} if calls else {"content": said}
            if calls and not said.strip():
                message["content"] = None
        return message

    def _part(self, index: int, text: str, is_last: bool) -> Iterator[Piece]:
        """Part some more of an answer into what is said and what is called."""
        if not self._may_call:
            if text:
                yield Piece(text)
            return
        yield from self._readers[index].push(text)
        if is_last:
            yield from self._readers[index].flush()

    def _reason(self, index: int, reason: str | None) -> str | None:
        return "tool_calls" if reason == "stop" and self._readers[index].calls else reason

    def _chunk(self, index: int, delta: dict[str, Any], logprobs: Any, reason: str | None) -> Chunk:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return {**chunk, "usage": None} if self.include_usage else chunk

    def _logprobs(self, tokens: list[TokenLogprob]) -> dict[str, Any] | None:
        if not self._with_logprobs:
            return None
        content = []
        for one in tokens:
            top = [self._describe(token, value) for token, value in one.top]
            content.append({**self._describe(one.token, one.logprob), "top_logprobs": top})
        return {"content": content, "refusal": None}

    def _describe(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._tokenizer.decode([token], skip_special_tokens=True)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def gather_call(pieces: Sequence[Piece], call: int) -> dict[str, Any]:
    """Return a whole call from its pieces."""
    name, *arguments = (piece.text for piece in pieces if piece.call == call)
    return {"id": make_call_id(), "type": "function", "function": {"name": name, "arguments": "".join(arguments)}}


def name_piece(piece: Piece) -> dict[str, Any]:
    """Return a piece as a chunk's delta: the first of a call has its id and name."""
    if piece.call is None:
        return {"content": piece.text}
    if piece.is_name:
        begun = {"id": make_call_id(), "type": "function", "function": {"name": piece.text, "arguments": ""}}
        return {"tool_calls": [{"index": piece.call, **begun}]}
    return {"tool_calls": [{"index": piece.call, "function": {"arguments": piece.text}}]}


def make_call_id() -> str:
    """Return a new call's id, which its result will name."""
    return f"call_{uuid.uuid4().hex[:24]}"
