"""POST /v1/chat/completions."""

import asyncio
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from jinja2 import TemplateError

from services.engine.batching.requests import Delta, SequenceRequest, TokenLogprob
from services.engine.errors import InvalidRequestError
from services.engine.model.chat import PLAIN_STOP
from services.engine.routes.answers import (
    Choice,
    Chunk,
    answer_whole,
    count_usage,
    gather_choices,
    gone,
    stream_answer,
)
from services.engine.routes.bodies import ChatBody
from services.engine.routes.requests import (
    Target,
    encode_chat_text,
    encode_text,
    find_target,
    get_serving,
    settle_max_tokens,
    submit,
)
from services.engine.serving import Serving
from services.engine.training.conversations import serve_role

router = APIRouter()

MESSAGE_CHARACTERS = 40
"""What a message costs the template beside its text, in characters to be tokenised."""
ROLES = {"system", "developer", "user", "assistant"}


@router.post("/v1/chat/completions")
async def create_chat_completion(
    body: ChatBody, request: Request, serving: Annotated[Serving, Depends(get_serving)]
) -> Response:
    """Write the assistant's next message."""
    _check_supported(body)
    target = await find_target(serving, body.model)
    prompt = await serving.reading.run(count_characters(body), lambda: encode_prompt(body, target))
    choices = min(body.n or 1, serving.settings.max_choices_per_request + 1)
    sequences = [_build_sequence(body, target, prompt, choice) for choice in range(choices)]
    running = submit(serving, target, sequences, body, request)
    answer = ChatAnswer(body, target, len(prompt))
    if body.stream:
        usage = answer.usage_chunk if answer.include_usage else None
        return stream_answer(serving, running, answer.role_chunks(choices), answer.shape, usage)
    texts = await gather_choices(serving, running, request)
    if texts is None:
        return gone()
    # In a thread: naming the likely tokens of a long text takes a while.
    return answer_whole(await asyncio.to_thread(answer.whole, texts))


def count_characters(body: ChatBody) -> int:
    """Return how much there is to be read: characters, and something for each message."""
    texts = (message.read_text(place) for place, message in enumerate(body.messages))
    return sum(MESSAGE_CHARACTERS + len(text) for text in texts)


def encode_prompt(body: ChatBody, target: Target) -> list[int]:
    """Return the prompt's tokens: for a model tuned on completions its own form, else the chat template's."""
    messages = [
        {"role": serve_role(message.role), "content": message.read_text(place)}
        for place, message in enumerate(body.messages)
    ]
    separator = target.entry.template.get("separator")
    if isinstance(separator, str):
        text = "\n".join(message["content"] for message in messages)
        text = text if separator and text.endswith(separator) else text + separator
        return encode_text(target.loaded, text, "messages")
    try:
        text = target.loaded.prompts.render_chat(messages, True)
    except (TemplateError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"The model's chat template refuses these messages: {error}", param="messages"
        ) from error
    return encode_chat_text(target.loaded, text, "messages")


def _check_supported(body: ChatBody) -> None:
    for place, message in enumerate(body.messages):
        if message.role not in ROLES:
            raise InvalidRequestError(f"Role '{message.role}' is not supported.", param=f"messages[{place}].role")
    if (body.response_format or {}).get("type", "text") != "text":
        raise InvalidRequestError("Only text responses are supported.", param="response_format")
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequestError("top_logprobs needs logprobs to be true.", param="top_logprobs")


def _build_sequence(body: ChatBody, target: Target, prompt: list[int], choice: int) -> SequenceRequest:
    runner = target.loaded.runner
    return SequenceRequest(
        prompt=prompt,
        max_tokens=settle_max_tokens(body, None, prompt, runner.context_length, "messages"),
        sampling=body.read_sampling(
            runner.vocabulary_size, choice, (body.top_logprobs or 0) if body.logprobs else None
        ),
        stops=_choose_stops(body, target),
        adapter=target.adapter,
    )


def _choose_stops(body: ChatBody, target: Target) -> tuple[str, ...]:
    template = target.entry.template
    own = template.get("stop") if "separator" in template else None
    if own is None and "separator" not in template and not target.loaded.prompts.has_own_template:
        own = PLAIN_STOP
    return (*body.read_stops(), own) if isinstance(own, str) and own else body.read_stops()


class ChatAnswer:
    """Shapes the answer to one request, streamed or whole."""

    def __init__(self, body: ChatBody, target: Target, prompt_tokens: int) -> None:
        self.include_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._prompt_tokens = prompt_tokens
        self._tokenizer = target.loaded.tokenizer
        self._with_logprobs = bool(body.logprobs)
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": target.name}

    def whole(self, texts: list[Choice]) -> dict[str, Any]:
        """The answer in one piece."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": choice.text, "refusal": None},
                "logprobs": self._logprobs(choice.logprobs),
                "finish_reason": choice.finish_reason,
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
        if delta.text or delta.logprobs:
            logprobs = self._logprobs(delta.logprobs)
            chunks.append(self._chunk(delta.index, {"content": delta.text}, logprobs, None))
        if delta.finish_reason is not None:
            chunks.append(self._chunk(delta.index, {}, None, delta.finish_reason))
        return chunks

    def usage_chunk(self, completion_tokens: int) -> Chunk:
        """The last chunk when usage was asked for."""
        usage = count_usage(self._prompt_tokens, completion_tokens)
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _chunk(self, index: int, delta: dict[str, str], logprobs: Any, reason: str | None) -> Chunk:
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
