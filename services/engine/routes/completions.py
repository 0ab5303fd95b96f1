"""POST /v1/completions and its legacy form under /v1/engines."""

import asyncio
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.engine.batching.requests import Delta, SequenceRequest, TokenLogprob
from services.engine.constraints.compiler import CompiledGrammar
from services.engine.errors import InvalidRequestError
from services.engine.routes.answers import (
    Choice,
    Chunk,
    answer_whole,
    count_usage,
    gather_choices,
    gone,
    stream_answer,
)
from services.engine.routes.bodies import CompletionBody
from services.engine.routes.completion_logprobs import Described, LogprobDescriber, join_described
from services.engine.routes.formats import check_endless, read_grammar
from services.engine.routes.requests import (
    Target,
    check_tokens,
    encode_text,
    find_target,
    get_serving,
    settle_max_tokens,
    submit,
)
from services.engine.serving import LoadedModel, Serving

router = APIRouter()

DEFAULT_MAX_TOKENS = 16
"""OpenAI's default for this route; chat writes until the context is full."""


@router.post("/v1/completions")
async def create_completion(
    body: CompletionBody, request: Request, serving: Annotated[Serving, Depends(get_serving)]
) -> Response:
    """Write texts that go on from the prompts."""
    return await _complete(body, request, serving, body.model)


@router.post("/v1/engines/{engine:path}/completions")
async def create_engine_completion(
    engine: str, body: CompletionBody, request: Request, serving: Annotated[Serving, Depends(get_serving)]
) -> Response:
    """As above; the model is named in the path."""
    return await _complete(body, request, serving, engine)


async def _complete(body: CompletionBody, request: Request, serving: Serving, model: str | None) -> Response:
    _check_supported(body)
    target = await find_target(serving, model)
    choices = body.n or 1
    if count_prompts(body) * choices > serving.settings.max_choices_per_request:
        raise InvalidRequestError(
            f"At most {serving.settings.max_choices_per_request} choices per request (prompts x n).", param="n"
        )
    prompts = await serving.reading.run(count_characters(body), lambda: read_prompts(body, target.loaded))
    form = read_grammar(body)
    check_endless(body, form)
    grammar = None if form is None else await target.loaded.grammars.compile(form)
    sequences = [
        _build_sequence(body, target, prompt, choice, grammar) for prompt in prompts for choice in range(choices)
    ]
    running = submit(serving, target, sequences, body, request)
    answer = CompletionAnswer(body, target, prompts, choices)
    if body.stream:
        usage = answer.usage_chunk if answer.include_usage else None
        return stream_answer(serving, running, answer.echo_chunks(), answer.shape, usage)
    texts = await gather_choices(serving, running, request)
    if texts is None:
        return gone()
    # In a thread: naming the tokens of long prompts takes a while.
    return answer_whole(await asyncio.to_thread(answer.whole, texts))


def count_prompts(body: CompletionBody) -> int:
    """Return how many prompts there are."""
    return len(body.prompt) if isinstance(body.prompt, list) and not is_tokens(body.prompt) else 1


def count_characters(body: CompletionBody) -> int:
    """Return how much there is to be read: characters, and tokens, which take less."""
    if isinstance(body.prompt, list) and not is_tokens(body.prompt):
        return sum(len(prompt) for prompt in body.prompt if not isinstance(prompt, int))
    return len(body.prompt or "")


def is_tokens(prompt: list[Any]) -> bool:
    """Say whether a list is one prompt in tokens, and not several prompts."""
    return bool(prompt) and isinstance(prompt[0], int)


def read_prompts(body: CompletionBody, loaded: LoadedModel) -> list[list[int]]:
    """Return the prompts as tokens. Raises: InvalidRequestError for an empty list, for text that is no valid Unicode,
    and for numbers that are no tokens of the model."""
    prompt = body.prompt if body.prompt is not None else ""
    if isinstance(prompt, str):
        return [encode_text(loaded, prompt, "prompt")]
    if not prompt:
        raise InvalidRequestError("prompt is an empty list.", param="prompt")
    if is_tokens(prompt):
        return [check_tokens(prompt, loaded, "prompt")]
    return [
        encode_text(loaded, one, "prompt") if isinstance(one, str) else check_tokens(one, loaded, "prompt")
        for one in prompt
    ]


def _check_supported(body: CompletionBody) -> None:
    if body.suffix:
        raise InvalidRequestError("Inserting text before a suffix is not supported.", param="suffix")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise InvalidRequestError("best_of other than n is not supported.", param="best_of")
    if body.max_tokens == 0 and not body.echo:
        raise InvalidRequestError("max_tokens 0 needs echo: there would be nothing to answer.", param="max_tokens")


def _build_sequence(
    body: CompletionBody, target: Target, prompt: list[int], choice: int, grammar: CompiledGrammar | None
) -> SequenceRequest:
    runner = target.loaded.runner
    return SequenceRequest(
        prompt=prompt,
        max_tokens=settle_max_tokens(body, DEFAULT_MAX_TOKENS, prompt, runner.context_length, "prompt"),
        sampling=body.read_sampling(runner.vocabulary_size, choice, body.logprobs),
        stops=body.read_stops(),
        adapter=target.adapter,
        score_prompt=body.scores_prompt,
        grammar=grammar,
        ignore_eos=bool(body.ignore_eos),
    )


class CompletionAnswer:
    """Shapes the answer to one request, streamed or whole."""

    def __init__(self, body: CompletionBody, target: Target, prompts: list[list[int]], choices: int) -> None:
        self.include_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._prompts = prompts
        self._choices = choices
        self._describer = LogprobDescriber(target.loaded.tokenizer)
        self._with_logprobs = body.logprobs is not None
        self._scores_prompt = body.scores_prompt
        self._echo = [self._decode_prompt(body, place) for place in range(len(prompts))] if body.echo else []
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": target.name,
        }

    def whole(self, texts: list[Choice]) -> dict[str, Any]:
        """The answer in one piece."""
        choices = [
            {
                "text": self._echo_of(index) + choice.text,
                "index": index,
                "logprobs": self._logprobs(index, choice.logprobs, choice.prompt_logprobs),
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(texts)
        ]
        return {**self._head, "choices": choices, "usage": self._usage(sum(choice.tokens for choice in texts))}

    def echo_chunks(self) -> list[Chunk]:
        """The prompts, when they are to be echoed; those that are scored come with their scores, in `shape`."""
        count = len(self._prompts) * self._choices if self._echo and not self._scores_prompt else 0
        return [self._chunk(index, self._echo_of(index), None, None) for index in range(count)]

    def shape(self, delta: Delta) -> list[Chunk]:
        """The chunks of a delta; the end comes in one of its own, as OpenAI sends it."""
        chunks = []
        if delta.prompt_logprobs is not None:
            logprobs = self._logprobs(delta.index, [], delta.prompt_logprobs)
            chunks.append(self._chunk(delta.index, self._echo_of(delta.index), logprobs, None))
        if delta.text or delta.logprobs:
            logprobs = self._logprobs(delta.index, delta.logprobs, None)
            chunks.append(self._chunk(delta.index, delta.text, logprobs, None))
        if delta.finish_reason is not None:
            chunks.append(self._chunk(delta.index, "", None, delta.finish_reason))
        return chunks

    def usage_chunk(self, completion_tokens: int) -> Chunk:
        """The last chunk when usage was asked for."""
        return {**self._head, "choices": [], "usage": self._usage(completion_tokens)}

    def _chunk(self, index: int, text: str, logprobs: Any, reason: str | None) -> Chunk:
        choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}
        chunk = {**self._head, "choices": [choice]}
        return {**chunk, "usage": None} if self.include_usage else chunk

    def _usage(self, completion_tokens: int) -> dict[str, int]:
        return count_usage(sum(map(len, self._prompts)), completion_tokens)

    def _echo_of(self, index: int) -> str:
        return self._echo[index // self._choices] if self._echo else ""

    def _decode_prompt(self, body: CompletionBody, place: int) -> str:
        if isinstance(body.prompt, str):
            return body.prompt
        one = body.prompt[place] if body.prompt else ""
        return one if isinstance(one, str) else self._describer.decode(self._prompts[place])

    def _logprobs(self, index: int, tokens: list[TokenLogprob], scores: list[TokenLogprob] | None) -> Described | None:
        if not self._with_logprobs:
            return None
        answer = self._describer.describe_answer(index, tokens, len(self._echo_of(index)))
        if scores is None:
            return answer
        prompt = self._prompts[index // self._choices]
        return join_described(self._describer.describe_prompt(prompt, scores), answer)
