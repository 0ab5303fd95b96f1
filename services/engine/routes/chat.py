"""POST /v1/chat/completions."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from services.engine.batching.requests import SequenceRequest
from services.engine.constraints.compiler import CompiledGrammar
from services.engine.errors import InvalidRequestError
from services.engine.model.chat import PLAIN_STOP
from services.engine.routes.answers import answer_whole, gather_choices, gone, stream_answer
from services.engine.routes.bodies import ChatBody
from services.engine.routes.chat_answers import ChatAnswer
from services.engine.routes.chat_prompts import count_characters, encode_prompt
from services.engine.routes.formats import check_endless, read_grammar, read_json_format
from services.engine.routes.requests import Target, find_target, get_serving, settle_max_tokens, submit
from services.engine.routes.tools import read_tool_choice
from services.engine.serving import Serving
from services.engine.tools.call_grammar import demand_calls
from services.engine.tools.choice import ToolChoice

router = APIRouter()

NOT_SUPPORTED = ("functions", "function_call", "audio", "web_search_options")
"""Fields that would change the answer, were they heeded; hints that need no heeding are passed over."""


@router.post("/v1/chat/completions")
async def create_chat_completion(
    body: ChatBody, request: Request, serving: Annotated[Serving, Depends(get_serving)]
) -> Response:
    """Write the assistant's next message."""
    _check_supported(body)
    tools = read_tool_choice(body)
    target = await find_target(serving, body.model)
    size = count_characters(body, tools)
    prompt = await serving.reading.run(size, lambda: encode_prompt(body, target, tools))
    choices = min(body.n or 1, serving.settings.max_choices_per_request + 1)
    grammar = await _compile_form(body, target, tools)
    sequences = [_build_sequence(body, target, prompt, choice, grammar) for choice in range(choices)]
    running = submit(serving, target, sequences, body, request)
    answer = ChatAnswer(body, target, len(prompt), may_call=tools is not None)
    if body.stream:
        usage = answer.usage_chunk if answer.include_usage else None
        return stream_answer(serving, running, answer.role_chunks(choices), answer.shape, usage)
    texts = await gather_choices(serving, running, request)
    if texts is None:
        return gone()
    # In a thread: naming the likely tokens of a long text takes a while.
    return answer_whole(await asyncio.to_thread(answer.whole, texts))


def _check_supported(body: ChatBody) -> None:
    for name in NOT_SUPPORTED:
        if getattr(body, name) is not None:
            raise InvalidRequestError(f"{name} is not supported.", param=name)
    if body.modalities not in {None, ("text",)}:
        raise InvalidRequestError("Only text is written.", param="modalities")
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequestError("top_logprobs needs logprobs to be true.", param="top_logprobs")


async def _compile_form(body: ChatBody, target: Target, tools: ToolChoice | None) -> CompiledGrammar | None:
    """Return what the answers are held to: the form that was asked for, calls, or either."""
    form = read_grammar(body)
    if tools is not None:
        if form is not None and not form.param.startswith("response_format"):
            raise InvalidRequestError(f"{form.param} and tools exclude each other: give one.", param=form.param)
        form = demand_calls(tools, "tools", read_json_format(body))
    check_endless(body, form)
    return None if form is None else await target.loaded.grammars.compile(form)


def _build_sequence(
    body: ChatBody, target: Target, prompt: list[int], choice: int, grammar: CompiledGrammar | None
) -> SequenceRequest:
    runner = target.loaded.runner
    return SequenceRequest(
        prompt=prompt,
        max_tokens=settle_max_tokens(body, None, prompt, runner.context_length, "messages"),
        sampling=body.read_sampling(
            runner.vocabulary_size, choice, (body.top_logprobs or 0) if body.logprobs else None
        ),
        stops=_choose_stops(body, target),
        adapter=target.adapter,
        grammar=grammar,
        ignore_eos=bool(body.ignore_eos),
    )


def _choose_stops(body: ChatBody, target: Target) -> tuple[str, ...]:
    if body.ignore_eos:  # the model's own mark is an end too
        return body.read_stops()
    template = target.entry.template
    own = template.get("stop") if "separator" in template else None
    if own is None and "separator" not in template and not target.loaded.prompts.has_own_template:
        own = PLAIN_STOP
    return (*body.read_stops(), own) if isinstance(own, str) and own else body.read_stops()
