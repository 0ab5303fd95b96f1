"""DSPy's programs: the default adapter and the one of JSON, over chats, responses and completions, whole and streamed.
Prints JSON."""

import asyncio
import json
import os
import sys

import dspy

model, prompt = sys.argv[1:]
server = {"api_base": os.environ["BASE_URL"], "api_key": os.environ["KEY"], "cache": False, "num_retries": 0}


def ask(kind: str, adapter: dspy.Adapter) -> list[str]:
    """Ask a question of a signature."""
    lm = dspy.LM(f"openai/{model}", model_type=kind, **server)
    with dspy.context(lm=lm, adapter=adapter):
        said = dspy.ChainOfThought("question -> answer")(question=prompt)
    return [said.reasoning, said.answer]


async def stream() -> list[str]:
    """Ask the same, and gather the answer's pieces as they come."""
    with dspy.context(lm=dspy.LM(f"openai/{model}", **server), adapter=dspy.ChatAdapter()):
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        program = dspy.streamify(dspy.Predict("question -> answer"), stream_listeners=[listener])
        pieces, last = [], None
        async for piece in program(question=prompt):
            if isinstance(piece, dspy.streaming.StreamResponse):
                pieces.append(piece.chunk)
            else:
                last = piece
    return ["".join(pieces), last.answer]


print(
    json.dumps(
        {
            "chat": ask("chat", dspy.ChatAdapter()),
            "responses": ask("responses", dspy.ChatAdapter()),
            "json": ask("chat", dspy.JSONAdapter()),
            "streamed": asyncio.run(stream()),
        }
    )
)
