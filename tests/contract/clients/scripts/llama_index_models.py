"""LlamaIndex's class for servers like OpenAI's: completions, which are its default, and chats. Prints JSON."""

import asyncio
import json
import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

model, prompt = sys.argv[1], sys.argv[2]
server = {"model": model, "api_base": os.environ["BASE_URL"], "api_key": os.environ["KEY"], "max_retries": 0}
text = OpenAILike(**server)
chat = OpenAILike(**server, is_chat_model=True)
messages = [ChatMessage(role="system", content="你是作家。"), ChatMessage(role="user", content=prompt)]
print(
    json.dumps(
        {
            "completed": text.complete(prompt).text,
            "completed_streamed": "".join(piece.delta for piece in text.stream_complete(prompt)),
            "completed_async": asyncio.run(text.acomplete(prompt)).text,
            "chat": chat.chat(messages).message.content,
            "chat_streamed": "".join(piece.delta or "" for piece in chat.stream_chat(messages)),
            "chat_completed": chat.complete(prompt).text,
        }
    )
)
