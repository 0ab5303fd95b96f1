"""What a call of a run asks."""

import asyncio

import orjson

from services.workers.generation.run import prepare_run
from services.workers.generation.story_call import LARGE_REQUEST_CHARACTERS, StoryCall, build_request
from shared.outside.providers.configuration import Provider, Target
from shared.stores.db.repositories.generation_progress import WorkOrder

CALLS = 12
REQUEST = {"messages": [{"role": "user", "content": "ab"}] * 10_000}


async def test_the_loop_turns_while_large_requests_of_a_batch_are_read() -> None:
    order = WorkOrder("gen_1", "p", "k", "m", {}, 1, CALLS, "", "", {}, [], "", "batch_1", "/v1/chat/completions")
    run = prepare_run(order, Target(Provider("upstream", "http://x/v1"), "m"))
    prompt = orjson.dumps(REQUEST).decode()
    assert len(prompt) > LARGE_REQUEST_CHARACTERS
    calls = [StoryCall(f"story_{number}", 1, f"att_{number}", prompt, None) for number in range(CALLS)]
    reading = asyncio.gather(*(build_request(run, call) for call in calls))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert await reading == [REQUEST] * CALLS
    assert turns > 2, "the loop stood still while the requests were read"  # read in it, all are done within one turn
