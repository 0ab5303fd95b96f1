"""A response read on from a number, with the current openai package: of its one text, or of one that was begun anew."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio

from tests.support.gateway import Mill, new_name
from tests.support.upstream import MODEL
from tests.support.upstream_script import TOKEN_CHARACTERS, Script, story_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(mill: Mill) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK as anybody would make it."""
    async with openai.AsyncOpenAI(base_url=f"{mill.base_url}/v1", api_key=await mill.key(), max_retries=0) as made:
        yield made


async def test_a_stream_is_taken_up_at_any_code_point(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    prompt, gate = new_name("写一个故事"), asyncio.Event()
    mill.upstream.queue(Script(gate=gate))
    made = await sdk.responses.create(model=MODEL, input=prompt, background=True)
    assert made.status in {"queued", "in_progress"}
    gate.set()
    whole = [event async for event in await sdk.responses.retrieve(made.id, stream=True)]
    text = story_for({"prompt": prompt})
    assert [event.type for event in whole[:3]] == ["response.created", "response.queued", "response.in_progress"]
    for after in (0, 2, 4, 5, 9, 4 + len(text), 4 + len(text) + 4):
        rest = [event async for event in await sdk.responses.retrieve(made.id, stream=True, starting_after=after)]
        assert all(event.sequence_number > after for event in rest)
        seen = max(0, min(after - 4, len(text)))
        told = "".join(event.delta for event in rest if event.type == "response.output_text.delta")
        assert told == text[seen:]
        assert [event.type for event in rest[-1:]] == (["response.completed"] if after < 8 + len(text) else [])


async def test_who_comes_back_for_the_rest_of_another_text_is_told(mill: Mill, sdk: openai.AsyncOpenAI) -> None:
    first, then = "从前有一个小孩和他的狗。", "从前另一个故事，很长很长很长。"
    mill.upstream.queue(Script(text=first, cut_after_tokens=3, tokens_per_second=5), Script(text=then))
    made = await sdk.responses.create(model=MODEL, input=new_name("x"), background=True)
    async for _ in await sdk.responses.retrieve(made.id, stream=True):
        """Until it is told that there is another text."""
    places = range(5, 5 + len(first))
    ends = ""
    for after in (-1, 4, *places):
        rest = [event async for event in await sdk.responses.retrieve(made.id, stream=True, starting_after=after)]
        assert all(event.sequence_number > after for event in rest)
        if rest[-1].type == "response.failed":
            assert rest[-1].response.error is not None
            assert rest[-1].response.error.code == "restarted"
        ends += "!" if rest[-1].type == "response.failed" else "."
    told = 3 * TOKEN_CHARACTERS  # of the first text; who has more has it of the second
    assert ends == ".." + "".join("!" if 2 < seen <= told else "." for seen in range(1, len(first) + 1))
