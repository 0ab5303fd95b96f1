"""LangChain's two model classes with only base URL and key set, in the environment. Prints JSON."""

import asyncio
import json
import sys

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI

model, prompt = sys.argv[1], sys.argv[2]
chat = ChatOpenAI(model=model, temperature=0.7, max_tokens=50, stop=["."])
text = OpenAI(model=model)
responses = ChatOpenAI(model=model, max_tokens=50, use_responses_api=True)
messages = [SystemMessage("你是作家。"), HumanMessage(prompt)]
answer = chat.invoke(messages)


async def gather() -> list[str]:
    """Several calls at once."""
    answers = await asyncio.gather(*(chat.ainvoke(f"{prompt}{number}") for number in range(5)))
    return [answer.content for answer in answers]


generations = text.generate([prompt, "b", "c"]).generations
print(
    json.dumps(
        {
            "chat": answer.content,
            "chat_usage": answer.usage_metadata,
            "chat_streamed": "".join(chunk.content for chunk in chat.stream(messages)),
            "chat_many": asyncio.run(gather()),
            "responses": str(responses.invoke(messages).text),
            "responses_streamed": "".join(str(chunk.text) for chunk in responses.stream(messages)),
            "text": text.invoke(prompt),
            "text_streamed": "".join(text.stream(prompt)),
            "text_many": [generation[0].text for generation in generations],
            "text_best": [g.text for g in OpenAI(model=model, n=2, best_of=2).generate([prompt]).generations[0]],
        }
    )
)
